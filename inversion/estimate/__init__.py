"""A picture's key to an estimate of its prompt vector, with a confidence."""
