"""Pictures with their true prompts, for evaluation and training."""
