"""Labelled pairs of several collections -> a world that answers for pictures like them."""
