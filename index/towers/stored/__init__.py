"""Image towers as data: numbers of an architecture and tensors, without names of anything."""
