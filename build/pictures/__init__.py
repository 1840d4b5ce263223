"""Prompts to image shards: rendered, or copied from collections."""
