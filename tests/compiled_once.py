"""What the tests' processes import is compiled once, and beside nothing that is tested."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BYTECODE = os.environ.setdefault("PYTHONPYCACHEPREFIX", str(ROOT / "target" / "bytecode"))
# Containers often set it: then each process would compile everything again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.pycache_prefix, sys.dont_write_bytecode = BYTECODE, False
# The environment of a process that is to have nothing of the tests' own.
SYSTEM = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPYCACHEPREFIX": BYTECODE}
