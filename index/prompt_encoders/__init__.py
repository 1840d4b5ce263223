"""Prompts -> target vectors (n, 384): through sentence-transformers or OpenVINO."""
