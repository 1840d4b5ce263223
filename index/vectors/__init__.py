"""Matrices of vectors: on disk, as float16, transformed, and searched exactly."""
