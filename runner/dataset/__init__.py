"""A tenant's bill: where it is, and what is read from it."""
