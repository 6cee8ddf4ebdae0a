"""What is wrong, and the command that fixes it."""
