"""One picture file: its kind by its first bytes, what decoding it costs, its pixels as RGB."""
