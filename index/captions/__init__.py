"""Captions as people store them: values, columns and names -> texts."""
