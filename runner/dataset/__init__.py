"""The engine that has the tenants' data, and what is read from it."""
