"""What is trained: towers, heads, adapters and losses."""
