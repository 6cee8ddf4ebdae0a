"""What a command does: claim, build, record, alert."""
