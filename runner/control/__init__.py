"""The control tables: tenants, runs, steps, alerts and API keys."""
