"""Recordings that no page shows: of examples that are gone, or by machines that the site does not name."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path

from spritedocs.recordings.cleaning import printable
from spritedocs.recordings.examples import ExampleError, Project

__all__ = ["orphans"]


def orphans(project: Project, machines: Collection[str]) -> list[str]:
    """A sentence for each, with the remedy. ``machines`` are those that the site names."""
    names = project.names()
    return [
        *_of(project, project.recorded, [*names, *_formerly(project, names)], machines),
        *_of(project, project.benchmarked, project.benchmarks(), machines),
    ]


def _formerly(project: Project, names: list[str]) -> Iterator[str]:
    """The examples that others came out of, whose recordings stand in for theirs."""
    for name in names:
        with contextlib.suppress(ExampleError):  # which whoever reads it for more will say
            yield project.example(name).formerly


def _of(project: Project, recorded: Path, names: list[str], machines: Collection[str]) -> Iterator[str]:
    for folder in sorted(recorded.glob("*/")):
        found = sorted(folder.glob("*.ipynb"))
        where = printable(str(folder.relative_to(project.root)))
        if found and machines and folder.name not in machines:
            yield f"{where} is shown on no page: name that machine in mkdocs.yml, or delete its recordings."
        for path in found:
            if path.stem not in names:
                script = printable(f"{path.stem}.py")
                yield f"{where} has a recording of {script}, which is gone: delete it, or restore the script."
