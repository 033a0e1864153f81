"""Every Python block of the README and of the pages runs. (Docstrings: pytest's --doctest-modules.)"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from running import PROJECT
from sybil import Document
from sybil.parsers.markdown import CodeBlockParser

ROOT = PROJECT.root
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def python_blocks(page: Path) -> list[str]:
    """The page's Python blocks, those inside admonitions and tabs too."""
    unshaded = re.sub(
        r'(?<=```python) hl_lines=".*"$', "", page.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    document = Document(unshaded, str(page))
    return [region.parsed for region in CodeBlockParser("python", lambda example: None)(document)]


ONE_AFTER_THE_OTHER = """
import gc, os, runpy, sys
gc.disable()
from spritedocs.timing import compare, race
from spritedocs.tuning import search
for measure in (compare, race):
    measure.__kwdefaults__["load"] = lambda: None
search.LOOKS, search.PROBING_S, search.SLICE_S, search.FINAL_S = (6,), 0.05, 0.02, 0.05
for script in sys.argv[1:]:
    os.chdir(os.path.dirname(script))
    runpy.run_path(script, run_name="__main__")
    gc.collect()
"""
"""A forked worker that collected an earlier page's loader would complain that its workers are no children.
Other tests are foreign load, for which rounds would be taken again."""


WATCHED = re.compile(
    r"^spritedocs: \S+(?:, epoch \d+: .*"
    r"|: (?:Waits (?:over|under) 5%|There is a pause|From here on the same|That epoch trained).*"
    r"|:\nepoch .*(?:\n +\d.*)+)\n",
    re.MULTILINE,
)
"""What a watched loader says of whole epochs, with its verdicts and its table, is no complaint."""


def test_the_python_blocks_of_each_page_run_as_one_script(tmp_path: Path) -> None:
    """As a reader would run them: copied one below the other into a file, in an empty folder.

    One process imports torch for all pages.
    """
    scripts = []
    for page in PAGES:
        if blocks := python_blocks(page):
            scripts.append(tmp_path / page.relative_to(ROOT).with_suffix("") / "copied.py")
            scripts[-1].parent.mkdir(parents=True)
            scripts[-1].write_text("\n\n".join(blocks), encoding="utf-8")
    assert len(scripts) > 5
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ONE_AFTER_THE_OTHER, *map(str, scripts)],
        capture_output=True,
        text=True,
        timeout=250,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert WATCHED.sub("", done.stderr) == ""
