"""What a reader can take along from the page of an experiment."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

from spritedocs.recordings import Entry
from spritedocs.site.edition import Edition
from spritedocs.site.marks import Marks
from spritedocs.site.page_outputs import traces
from spritedocs.site.wheel import install_line

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

__all__ = ["downloads", "take_it_along"]


def downloads(config: MkDocsConfig, entries: Iterable[Entry]) -> Iterator[File]:
    """The files of the site that experiments' pages link to: scripts, their programs, and traces."""
    paths = {}
    for entry in entries:
        paths[f"downloads/{entry.example.name}.py"] = entry.example.path
        paths |= {f"downloads/programs/{path.name}": path for path in entry.example.programs}
        for target, trace in traces(entry).items():
            yield File.generated(config, target, content=trace)
    for target, path in paths.items():
        yield File.generated(config, target, abs_src_path=str(path))


def take_it_along(entry: Entry, edition: Edition, marks: Marks, repo_url: str, wheel: str) -> str:
    """The end of an experiment's page, in Markdown: what of it can be taken along, and how that runs."""
    name = entry.example.name
    links = [f'<a href="../../downloads/{name}.py" download>Download the script</a>']
    links += [
        f'<a href="../../downloads/programs/{path.name}" download>Download {path.name}</a>'
        for path in entry.example.programs
    ]
    parts = ["## Take it along { data-search-exclude }"]
    parts.append(f"`python {name}.py` runs anywhere the package is installed{':' if wheel else '.'}")
    if wheel:
        parts.append(install_line(f"../../{wheel}"))
    if entry.published:
        parts.append(f"The same run is also [a notebook](../notebooks/{name}.ipynb).")
        links.append(f'<a href="../../notebooks/{name}/{name}.ipynb" download>Download the notebook</a>')
    links += _colab(entry, edition, repo_url)
    return "\n\n".join([*parts, marks.keep(f'<p class="sprite-downloads">{" · ".join(links)}</p>')])


def _colab(entry: Entry, edition: Edition, repo_url: str) -> list[str]:
    """A link that opens the notebook in Colab, which knows no host but GitHub, and what to run first."""
    host, _, repository = repo_url.rpartition("//github.com/")
    recordings = (status.recording for status in (entry.published, *entry.others) if status)
    stored = [
        found.path for found in recordings if found and found.path.is_relative_to(edition.project.recorded)
    ]
    if not host or not stored:
        return []
    path = stored[0].relative_to(edition.project.root).as_posix()
    address = html.escape(f"https://colab.research.google.com/github/{repository}/blob/main/{path}")
    first = html.escape(f"!pip install git+{repo_url}")
    return [f'<a href="{address}">Open in Colab</a>, and run <code>{first}</code> there first']
