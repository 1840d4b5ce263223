"""Texts of a picture file -> the prompt and settings, one module per family of generators."""
