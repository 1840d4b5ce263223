"""Jobs of `unprompt train`."""
