"""A tenant from its first row to a dataset that can be run."""
