"""The web page of `unprompt demo`, built with Gradio."""
