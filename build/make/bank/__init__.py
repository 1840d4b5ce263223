"""A bank of prompts of our own: word lists and forms -> prompts as people write them."""
