"""The interfaces of encoders, and the preprocessing of pictures."""
