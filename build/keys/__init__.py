"""Pictures -> keys, and keys -> the prompt index of a bundle."""
