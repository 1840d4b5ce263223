"""Many pictures to a results file."""
