"""Every Python block of the README and of the pages runs. (Docstrings: pytest's --doctest-modules.)"""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
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
"""
"""A forked worker that collected an earlier page's loader would complain that its workers are no children.
Nor are loaders collected here: that ends the queues before the workers, which torch then gives 5 s each. At
its exit Python ends them at once, as it does for a reader.
Other tests are foreign load, for which rounds would be taken again."""


FORKED = "ignore:This process:DeprecationWarning"
"""Python 3.12 and 3.13 complain of a fork beside threads: those of a loader whose helpers stay, say."""

WATCHED = re.compile(
    r"^spritedocs: \S+(?:, epoch \d+: .*"
    r"|: (?:Waits (?:over|under) 5%|There is a pause|From here on the same|That epoch trained).*"
    r"|:\nepoch .*(?:\n +\d.*)+)\n",
    re.MULTILINE,
)
"""What a watched loader says of whole epochs, with its verdicts and its table, is no complaint."""


PHOTOGRAPHS = "photos"
"""The folder in which the pages have their JPEG files."""


def write_photographs(folder: Path) -> None:
    for part in ("train", "val"):
        for number in range(4):
            path = folder / PHOTOGRAPHS / part / f"class{number % 2}" / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (400, 300), (60 * number, 80, 160)).save(path)


def test_the_python_blocks_of_each_page_run_as_one_script(tmp_path: Path) -> None:
    """As a reader would run them: copied one below the other into a file, in a folder with their data alone.

    One process imports torch for all pages.
    """
    scripts = []
    for page in PAGES:
        if blocks := python_blocks(page):
            scripts.append(tmp_path / page.relative_to(ROOT).with_suffix("") / "copied.py")
            scripts[-1].parent.mkdir(parents=True)
            scripts[-1].write_text("\n\n".join(blocks), encoding="utf-8")
            if f'"{PHOTOGRAPHS}' in "".join(blocks):
                write_photographs(scripts[-1].parent)
    assert len(scripts) > 5
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", FORKED, "-c", ONE_AFTER_THE_OTHER, *map(str, scripts)],
        capture_output=True,
        text=True,
        timeout=250,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert WATCHED.sub("", done.stderr) == ""


def the_script_with(page: str, text: str) -> str:
    """The first Python block of ``page`` that has ``text``."""
    return next(block for block in python_blocks(ROOT / "docs" / page) if text in block)


def test_what_is_to_be_tuned_reads_jpeg_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photographs(tmp_path)
    (tmp_path / "my_data.py").write_text(the_script_with("tune-your-own-dataset.md", PHOTOGRAPHS))
    monkeypatch.chdir(tmp_path)
    dataset = runpy.run_path("my_data.py")["dataset"]()
    items = [dataset[index] for index in range(len(dataset))]
    assert {tuple(pixels.shape) for pixels, _ in items} == {(3, 224, 224)}
    assert [label for _, label in items] == [0, 0, 1, 1]
    assert all(0 < pixels.mean() < 1 for pixels, _ in items)


def test_the_script_before_and_after_trains_on_the_same_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = "in-depth/slow-disks.md"
    write_photographs(tmp_path)
    monkeypatch.chdir(tmp_path)
    before, after, shrink = (
        the_script_with(page, text) for text in ('"photos/train"', '"small/train"', "def shrink")
    )
    assert max(len(list(filter(None, each.splitlines()))) for each in (before, after)) <= 40
    (tmp_path / "shrink.py").write_text(shrink)
    (tmp_path / "train.py").write_text(after)
    runpy.run_path("shrink.py", run_name="__main__")
    kind = runpy.run_path("train.py")["Photographs"]
    for part in ("train", "val"):
        large, small = kind(f"{PHOTOGRAPHS}/{part}"), kind(f"small/{part}")
        for index in range(4):
            (pixels, label), (other, same) = large[index], small[index]
            assert label == same
            with Image.open(small.paths[index]) as file:
                assert file.size == (340, 255)
            assert torch.allclose(pixels, other, atol=0.05)  # what JPEG does to a plain colour
    augmented = kind("small/train", augment=True)
    assert {tuple(augmented[0][0].shape) for _ in range(8)} == {(3, 224, 224)}
