"""FAISS: the kind of index by size, trained, filled, searched, and tuned to a recall."""
