"""Backdrops of scenes, one module per kind of place."""
