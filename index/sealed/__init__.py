"""Records of files: their sizes and digests, and the seal over all files of a bundle."""
