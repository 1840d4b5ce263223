"""Jobs of `unprompt make`."""
