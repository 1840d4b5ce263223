"""Prompts from a language model: the endpoint, its answers, and the log of calls."""
