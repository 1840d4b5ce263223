"""Jobs of `unprompt plan` and `unprompt bench`."""
