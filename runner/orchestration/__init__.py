"""The work of a command: claim, build, record, alert."""
