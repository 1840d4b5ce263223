"""Drawn pictures that no generator made: noise, blank frames, screens, drawings, maps."""
