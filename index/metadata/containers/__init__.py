"""Picture files of each format -> the texts in them. No pixel is decoded here, but for stealth."""
