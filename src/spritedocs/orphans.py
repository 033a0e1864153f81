"""Recordings that no page shows: of examples that are gone, or by machines that the site does not name."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from spritedocs.cleaning import printable
from spritedocs.examples import Project

__all__ = ["orphans"]


def orphans(project: Project, machines: Collection[str]) -> list[str]:
    """A sentence for each, with the remedy. ``machines`` are those that the site names."""
    return [
        *_of(project, project.recorded, project.names(), machines),
        *_of(project, project.benchmarked, project.benchmarks(), machines),
    ]


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
