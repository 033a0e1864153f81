"""What ``spritedocs new`` does: a script and its test, from the templates in ``examples/templates``."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from spritedocs.errors import shortened
from spritedocs.recordings import ExampleError, Project

__all__ = ["write_example"]


def write_example(project: Project, name: str) -> tuple[Path, Path]:
    """Write the script and the test of a new example, with the next number; returns their paths.

    Raises ``ExampleError`` for a name that cannot be used or is taken, and where a template cannot be read
    or a file cannot be written: then there are no new files.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", name):
        raise ExampleError(
            f"{shortened(name)!r} cannot name an example: write up to 60 small letters, digits and "
            "underscores, a letter first, as in what_a_thread_costs."
        )
    names = [re.fullmatch(r"(\d+)_?(.*)", taken) for taken in project.names()]
    for taken in filter(None, names):
        if taken[2] == name:
            raise ExampleError(f"there is an example {taken[0]} already: choose another name.")
    number = 1 + max((int(taken[1]) for taken in filter(None, names)), default=0)
    numbered = f"{number:02d}_{name}"
    tokens = {"name": numbered, "title": name.replace("_", " ").strip().capitalize()}
    templates = project.root / "examples" / "templates"
    script = _filled(templates / "example.py", tokens)
    test = _filled(templates / "test_example.py", tokens)
    paths = (
        project.root / "examples" / f"{numbered}.py",
        project.root / "tests" / "examples" / f"test_{numbered}.py",
    )
    written: list[Path] = []
    for path, text in zip(paths, (script, test), strict=True):
        try:
            with path.open("x", encoding="utf-8", newline="\n") as file:
                written.append(path)
                file.write(text)
        except BaseException as error:
            for half in written:
                half.unlink()
            if not isinstance(error, OSError):
                raise
            is_there = isinstance(error, FileExistsError)
            remedy = "choose another name" if is_there else "make room for it, or allow it"
            raise ExampleError(f"{path} cannot be written ({error.strerror}): {remedy}.") from None
    return paths


def _filled(template: Path, tokens: dict[str, str]) -> str:
    try:
        return Template(template.read_text(encoding="utf-8")).safe_substitute(tokens)
    except OSError as error:
        raise ExampleError(
            f"{template} cannot be read ({error.strerror}): get it back, as by git restore."
        ) from None
