"""Pictures, one by one and in shards."""
