"""Readers of prompt files, one format a file."""
