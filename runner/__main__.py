"""`python -m runner` is `runner`; a signal that comes before all is imported needs no traceback."""

import os
import signal


def main() -> None:
    """Run the command line."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: os._exit(128 + number))

    from runner.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
