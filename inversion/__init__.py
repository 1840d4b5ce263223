"""A picture -> the prompt behind it: kNN estimate, regression head, blend, composed prompt."""
