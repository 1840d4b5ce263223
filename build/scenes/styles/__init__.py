"""Styles and lighting of scenes."""
