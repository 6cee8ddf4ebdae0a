"""The checks of `runner doctor`, each with the command that fixes a problem."""
