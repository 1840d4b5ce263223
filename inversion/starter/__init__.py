"""The bundle that ships with the package."""
