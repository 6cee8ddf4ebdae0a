"""Runs a command; the last line is the memory of the largest of its processes, in MB."""

import resource
import subprocess
import sys

code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(code)
