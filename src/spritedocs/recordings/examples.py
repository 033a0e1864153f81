"""The example scripts: where they are, what their headers say, and the cells they are made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from spritedocs.errors import raised, shortened
from spritedocs.recordings.fingerprints import code_of
from spritedocs.recordings.front_matter import EXAMPLE_KEYS, parsed

__all__ = ["Cell", "Example", "ExampleError", "Project"]

_HEADER = re.compile(r"\A# ---\n(?P<yaml>(?:#.*\n)*?)# ---\n")


class ExampleError(ValueError):
    """An example or its header cannot be used. The message names the file and the remedy."""


@dataclass(frozen=True)
class Cell:
    """One cell of a script in the percent format."""

    kind: str
    """``"markdown"`` or ``"code"``."""
    text: str
    """Its text: Markdown without the leading ``# ``, or code as it stands."""
    folded: bool = False
    """Whether a page shows its code only on demand: the cell begins with ``# %% tags=["fold"]``."""


@dataclass(frozen=True)
class Example:
    """One script of ``examples/``, read once."""

    path: Path
    text: str
    header: Mapping[str, Any] = field(default_factory=dict)
    """The YAML header: ``title``, and ``description``, ``claims``, ``formerly``, ``time_limit_s``."""

    @classmethod
    def read(cls, path: Path) -> Example:
        """Read the script at ``path``. Raises ``ExampleError`` where its header is unusable."""
        try:
            if not path.is_file():  # a pipe would be waited for
                raise ExampleError(f"{path} is no file, or a link to none: remove it, or rename it.")
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ExampleError(f"{path} cannot be read ({error.strerror}): let yourself read it.") from None
        except UnicodeDecodeError as error:
            raise ExampleError(f"{path} cannot be read ({error}): store it as UTF-8 text.") from None
        match = _HEADER.match(text)
        if match is None:
            raise ExampleError(
                f"{path} has no header: begin it with '# ---' on the first line, '# title: …' and '# ---'."
            )
        written = re.sub(r"^# ?", "", match["yaml"], flags=re.MULTILINE)
        header, faults = parsed(written, EXAMPLE_KEYS, "a header")
        if not faults and "title" not in header:
            faults = ["has no title in its header: add '# title: …'."]
        if faults:
            raise ExampleError(f"{path} {faults[0]}")
        return cls(path, text, header)

    @property
    def name(self) -> str:
        """What the script is called everywhere, such as ``06_optional_num_workers``."""
        return self.path.stem

    @property
    def title(self) -> str:
        """The header's title."""
        return str(self.header["title"])

    @property
    def description(self) -> str:
        """The header's description, or else its title."""
        return str(self.header.get("description", self.title))

    @property
    def headline(self) -> str:
        """What the example found, in a sentence with placeholders for its values; ``""`` where none says."""
        return str(self.header.get("headline", ""))

    @property
    def group(self) -> str:
        """Under which heading the list of experiments has it; ``""`` for the last one."""
        return str(self.header.get("group", ""))

    @property
    def formerly(self) -> str:
        """The name of the example that this one came out of; ``""`` if of none."""
        return str(self.header.get("formerly", ""))

    @cached_property
    def programs(self) -> tuple[Path, ...]:
        """The files in ``programs`` beside it whose names it gives to ``machine.run_program`` or such."""
        code = code_of(self.text)
        if not re.search(r"\b(?:run_programs?|program)\(", code):
            return ()
        found = sorted((self.path.parent / "programs").glob("*.py"))
        return tuple(path for path in found if re.search(rf"""["']{path.stem}["']""", code))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The Markdown and code cells in order, empty ones left out."""
        return _cells(self.path, self.text)

    def notebook_cells(self) -> list[Any]:
        """Its cells as a notebook has them. Raises ``ExampleError`` where a cell's marker cannot be read."""
        import jupytext  # here, because fingerprints and states are wanted without it

        try:
            cells = jupytext.reads(self.text, fmt="py:percent").cells
        except Exception as error:  # noqa: BLE001 - jupytext takes them for Python's or YAML's, and trusts them
            why = raised(error)
            raise ExampleError(
                f"{self.path} has a cell that begins wrongly ({why}): begin it with '# %%'."
            ) from None
        return [cell for cell in cells if cell.cell_type in ("markdown", "code")]


@lru_cache(maxsize=64)  # a served site is built again and again
def _cells(path: Path, text: str) -> tuple[Cell, ...]:
    return tuple(
        Cell(cell.cell_type, cell.source, "fold" in cell.metadata.get("tags", ()))
        for cell in Example(path, text).notebook_cells()
        if cell.source
    )


class _AnyTag(yaml.SafeLoader):
    """mkdocs.yml may hold tags such as ``!ENV``, which do not matter here."""


_AnyTag.add_multi_constructor("", lambda loader, suffix, node: None)


@dataclass(frozen=True)
class Project:
    """A clone of the project: its examples and where recordings lie."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """The project that ``start`` (or the current folder) lies in.

        Raises ``ExampleError`` where there is none.
        """
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / "mkdocs.yml").is_file() and (folder / "examples").is_dir():
                return cls(folder)
        raise ExampleError(
            f"{here} is not inside a clone of the guide: change to the folder with mkdocs.yml."
        )

    @property
    def package(self) -> Path:
        """The folder of the modules that measure."""
        return Path(__file__).parents[1]

    @property
    def recorded(self) -> Path:
        """The reference recordings, one folder for each machine."""
        return self.root / "examples" / "recorded"

    @property
    def own(self) -> Path:
        """The recordings of the reader's own machine, which git ignores."""
        return self.root / ".cache" / "spritedocs" / "recorded"

    def machines(self) -> list[str]:
        """The machines that the site publishes, the preferred one first; empty if it does not say."""
        try:
            site = yaml.load((self.root / "mkdocs.yml").read_text(encoding="utf-8"), _AnyTag)
            plugins = site["plugins"]
            named = [plugins] if isinstance(plugins, dict) else [p for p in plugins if isinstance(p, dict)]
            options = next(plugin["spritedocs"] for plugin in named if "spritedocs" in plugin)
            return [str(name) for name in options["machines"]]
        except (OSError, ValueError, LookupError, TypeError, StopIteration, yaml.YAMLError):
            return []

    @property
    def benchmarked(self) -> Path:
        """The recordings of our own benchmarks, one folder for each machine."""
        return self.root / "benchmarks" / "recorded"

    def benchmarks(self) -> list[str]:
        """The benchmarks' names in order: of the scripts ``benchmarks/SUBJECT/NAME.py``."""
        return sorted(path.stem for path in self.root.glob("benchmarks/*/*.py"))

    def benchmark(self, name: str) -> Example:
        """The benchmark called ``name``, which has no header. Raises ``ExampleError`` for an unknown one."""
        if name not in self.benchmarks():
            raise ExampleError(f"there is no benchmark {name!r}: known are {', '.join(self.benchmarks())}.")
        [path] = self.root.glob(f"benchmarks/*/{name}.py")
        return Example(path, path.read_text(encoding="utf-8"), {"title": name})

    def names(self) -> list[str]:
        """The examples' names in order. Raises ``ExampleError`` where their folder cannot be read."""
        folder = self.root / "examples"
        try:  # a glob says nothing where it may not look
            return sorted(path.stem for path in folder.iterdir() if path.match("[0-9]*.py"))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ExampleError(f"{folder} cannot be read ({error.strerror}): let yourself read it.") from None

    def example(self, name: str) -> Example:
        """The example called ``name``. Raises ``ExampleError`` for an unknown one."""
        if name not in self.names():
            raise ExampleError(
                f"there is no example {shortened(name)!r}: known are {', '.join(self.names()) or 'none'}."
            )
        return Example.read(self.root / "examples" / f"{name}.py")
