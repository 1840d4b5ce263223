"""Pictures: single files, memory, and numbered webdataset shards."""
