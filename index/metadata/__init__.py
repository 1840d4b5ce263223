"""Prompts that generators write into picture files."""
