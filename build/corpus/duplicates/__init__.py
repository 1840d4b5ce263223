"""Near-duplicate prompts, found by words or by vectors, in bounded memory."""
