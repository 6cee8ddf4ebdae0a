"""`python -m runner` is `runner`; a signal during the imports prints no traceback."""

import os
import signal


def main() -> None:
    """Run the command line. Only this user may read the files that it makes."""
    os.umask(0o077)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: os._exit(128 + number))

    from runner import streams
    from runner.cli.app import main as command_line

    streams.forgive()
    command_line()


if __name__ == "__main__":
    main()
