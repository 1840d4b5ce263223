"""Readers of tables: txt, csv, tsv, jsonl, json and parquet, one format per module."""
