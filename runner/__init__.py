"""The thin runner around dbt: quota, dedup, records and alerts. It holds no transformation."""

__version__ = "0.1.0"
