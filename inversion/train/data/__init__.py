"""Training pairs to batches."""
