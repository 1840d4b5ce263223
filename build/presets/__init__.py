"""Named build configurations, one YAML file each."""
