"""Rules that rewrite or drop prompts, over tables of any size."""
