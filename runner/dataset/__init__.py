"""A tenant's bill: the data that dbt builds, where the runner reads it."""
