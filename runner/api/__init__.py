"""The REST service: a skin over what the command line calls."""
