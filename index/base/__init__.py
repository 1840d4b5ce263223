"""Shared by every folder: errors, settings, atomic files, tables, stage records, progress."""
