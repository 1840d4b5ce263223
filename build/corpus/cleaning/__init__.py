"""Rules that rewrite or drop prompts, for tables of any size."""
