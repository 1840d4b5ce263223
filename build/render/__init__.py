"""Text-to-image renderers behind one interface."""
