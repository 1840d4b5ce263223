"""Image and text towers: pictures or texts in, unit vectors out."""
