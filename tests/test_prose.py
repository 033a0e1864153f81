"""Every Python block of the README and of the pages runs. (Docstrings: pytest's --doctest-modules.)"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from running import PROJECT
from sybil import Document
from sybil.parsers.markdown import CodeBlockParser

ROOT = PROJECT.root
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def python_blocks(page: Path) -> list[str]:
    """The page's Python blocks, those inside admonitions and tabs too."""
    document = Document(page.read_text(encoding="utf-8"), str(page))
    return [region.parsed for region in CodeBlockParser("python", lambda example: None)(document)]


WITH_CODE = [page for page in PAGES if python_blocks(page)]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_blocks_of_a_page_run_as_one_script(page: Path, tmp_path: Path) -> None:
    """As a reader would run them: copied one below the other into a file, in an empty folder."""
    script = tmp_path / "copied.py"
    script.write_text("\n\n".join(python_blocks(page)), encoding="utf-8")
    command = [sys.executable, "-W", "error", script.name]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=250,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
