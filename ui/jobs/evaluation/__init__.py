"""Jobs of `unprompt eval`."""
