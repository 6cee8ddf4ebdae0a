"""The templates of pipelines."""
