"""The prompt index: its files, how they are written, read, changed and merged."""
