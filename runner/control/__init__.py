"""The ledger of tenants, runs, quotas and alerts."""
