"""The files of a prompt index: rows, segments and generations."""
