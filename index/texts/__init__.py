"""Texts of strangers on their way out: visible, valid, harmless."""
