"""What every floor shares: types, towers, shards, embeddings and the prompt index.

`towers` makes vectors of pictures and texts, `runtime` runs towers fast, `images` keeps pictures in
shards, `search` is FAISS, `files` what an index keeps on disk, `engines` who does the work.
"""
