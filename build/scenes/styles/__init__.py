"""Style filters and the lighting of scenes."""
