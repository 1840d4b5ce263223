"""`unprompt make`: its commands and their options."""
