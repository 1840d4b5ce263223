"""Files of strangers -> their content, within limits of size, depth, names and numbers."""
