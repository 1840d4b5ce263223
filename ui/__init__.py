"""Command line and page."""
