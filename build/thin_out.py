"""Chunks of raw prompts -> the rows that are left, cleaned, and what fell where; then by vectors.

FOLDER/rows/      cleaned prompts, shard by shard
FOLDER/minhash/   near-duplicates by words
FOLDER/cosine/    near-duplicates by vectors

Each is finished by a rerun where it was cut off.
"""
