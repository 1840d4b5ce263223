"""A prompt vector to a prompt that a person can read."""
