"""What an encoder is, and how pictures become the pixels it takes."""
