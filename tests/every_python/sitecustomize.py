"""Begins every Python of `make test` and `make test-all`.

They are hundreds, most of them with torch: without looks for garbage among all of it each costs a fifth less.
"""

import atexit
import gc
import os

gc.set_threshold(100_000, 50, 50)
atexit.register(gc.freeze)
if method := os.environ.get("SPRITE_TEST_START_METHOD"):
    from short_runs import shorten

    shorten(method)
