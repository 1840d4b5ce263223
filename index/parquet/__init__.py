"""Parquet files of strangers: what reading a column costs, known before it is read."""
