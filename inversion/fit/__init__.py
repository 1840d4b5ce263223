"""Held-out pictures -> the tuned settings of a bundle, and its scores."""
