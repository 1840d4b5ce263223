"""Matrices of vectors: on disk, in float16, transformed, searched exactly."""
