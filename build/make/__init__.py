"""Methods that make prompts, one per file: from captions, word lists, a language model, mining."""
