"""Archives of files: tars and zips, read by position."""
