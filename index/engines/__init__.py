"""Who works: this process, several, Ray; and what the machine has."""
