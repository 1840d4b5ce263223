"""Readers of prompt collections, one kind of layout per module, and the table of all kinds."""
