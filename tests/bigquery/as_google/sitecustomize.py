"""Read by every Python that starts with this folder in PYTHONPATH: Google's sign-in is the gate."""

import os

import gate_login
import short_stack

short_stack.show_frames_only()
gate_login.aim(os.environ["GATE_URL"])
