"""The words of scenes: objects, settings, styles, colours, and how phrases name them."""
