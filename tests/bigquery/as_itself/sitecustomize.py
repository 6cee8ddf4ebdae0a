"""Read by every Python that starts with this folder in PYTHONPATH: it has a short stack."""

import short_stack

short_stack.show_frames_only()
