"""Pictures to keys, and keys to the prompt index of a bundle."""
