"""What a build costs: work, rates, storage, money."""
