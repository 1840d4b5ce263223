"""A picture file -> the same file without what its pixels do not need, one module a format."""
