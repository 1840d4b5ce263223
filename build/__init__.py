"""Prompts to an index: corpus, renders, embeddings, index."""
