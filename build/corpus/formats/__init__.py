"""Readers of prompt files, one file format per module."""
