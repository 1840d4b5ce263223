"""Recover the prompt behind a generated image, as a vector and as text."""

__version__ = "0.2.0"
