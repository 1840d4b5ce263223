"""Runs over different corpora in one bundle."""
