"""Training recipes as YAML files, those of the competition's winners among them."""
