"""The scenes renderer: a grammar of prompts, and the pictures that they describe."""
