"""Prompts to target vectors: sentence-transformers for corpora, OpenVINO for queries."""
