"""One file a family of image towers: cut into stem, blocks and tail."""
