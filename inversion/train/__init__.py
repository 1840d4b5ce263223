"""Learning: image towers and heads trained on rendered prompts. Needs the extra `train`."""
