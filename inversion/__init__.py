"""An image to the prompt behind it: neighbours, head, blend."""
