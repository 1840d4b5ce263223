"""Image towers as files that run without torch: export, cache, load, encode in bulk."""
