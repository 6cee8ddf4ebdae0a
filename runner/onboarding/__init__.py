"""Adding, repairing and removing tenants."""
