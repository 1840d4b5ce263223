"""Near-duplicate prompts: found by their words or their vectors, in bounded memory."""
