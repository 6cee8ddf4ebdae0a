"""dbt in a child process."""
