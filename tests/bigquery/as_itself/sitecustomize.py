"""Read by every Python that starts with this folder in PYTHONPATH: dbt is quick there."""

import made_once
import short_stack
import texts_once

short_stack.show_frames_only()
texts_once.keep()
made_once.keep()
