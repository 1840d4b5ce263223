"""Image towers as stem, blocks and tail, one family per module."""
