"""Read by every Python that starts with this folder in PYTHONPATH: Google's sign-in is the gate."""

import os

import gate_login
import made_once
import short_stack
import texts_once

short_stack.show_frames_only()
texts_once.keep()
made_once.keep()
gate_login.aim(os.environ["GATE_URL"])
