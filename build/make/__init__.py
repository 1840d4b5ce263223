"""Making prompts, one method a file: captions, word lists, a language model, what is hard."""
