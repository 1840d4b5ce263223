"""What every floor shares: types, encoders, shards, embeddings and the prompt index."""
