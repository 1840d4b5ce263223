"""What is tuned and measured on held-out pictures."""
