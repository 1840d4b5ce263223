"""Several threads of a process: work that they share out, what they share, and when it ends."""
