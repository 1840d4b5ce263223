"""Prompts that generators wrote into picture files."""
