"""Processes: how one is stopped, and the names of what it writes."""
