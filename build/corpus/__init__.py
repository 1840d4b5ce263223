"""Prompts: collected, cleaned, de-duplicated, split and encoded."""
