"""The second process of a build: whatever it renders, the site and the messages are the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from building import Builds
from tiny import NAME, Tiny

from spritedocs.machine import usable_cores

BUILD = """
import os, sys
from pathlib import Path
from building import Builds
from spritedocs.site.second_process import SecondProcess
from tiny import Tiny

start = SecondProcess.start

def start_and_wait(self, *arguments, **options):
    start(self, *arguments, **options)
    if self._pid:
        os.waitpid(self._pid, 0)
        print("another process")
        self._pid = None

SecondProcess.start = start_and_wait
for _ in range(2):
    print(*Builds(Tiny(Path(sys.argv[1]))).build(site="other"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forked on Linux alone")
@pytest.mark.skipif(usable_cores() < 2, reason="on one core there is no second process")
def test_what_a_second_process_has_rendered_the_build_finds(tiny: Tiny) -> None:
    (tiny.root / "docs" / "index.md").write_text("# Home\n\n[There](nowhere.md)\n", encoding="utf-8")

    run = [sys.executable, "-c", BUILD, str(tiny.root)]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    another, first_build, *second = done.stdout.splitlines()
    assert (another, first_build) == ("another process", "index.md"), "what has a message is rendered again"
    assert second == ["index.md"], "where pages are kept there is no second process"
    other = tiny.root / "other" / "experiments" / NAME / "index.html"
    first = other.read_bytes()
    Builds(tiny).build(site="site")
    assert (tiny.root / "site" / "experiments" / NAME / "index.html").read_bytes() == first
