"""Read by every Python that starts with this folder in PYTHONPATH: Google's sign-in is the gate."""

import os

import gate_login

gate_login.aim(os.environ["GATE_URL"])
