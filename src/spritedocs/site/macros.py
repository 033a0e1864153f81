"""What guide pages call to quote recordings.

What a page asks for and cannot have is noted in the ``Edition``, and the plugin stops the build with
all such sentences at once.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File, InclusionLevel
from mkdocs.utils import get_relative_url

from spritedocs.recordings import joined, machine_name, plain, provenance_line
from spritedocs.site.fences import fenced
from spritedocs.site.macro_calls import MISSING
from spritedocs.site.placeholders import filled
from spritedocs.site.wheel import install_line

if TYPE_CHECKING:
    from spritedocs.site.plugin import SpritedocsPlugin

__all__ = ["Macros", "macros_of"]


class Macros:
    """The macros of one site."""

    def __init__(self, plugin: SpritedocsPlugin) -> None:
        self._plugin = plugin

    @property
    def _page(self) -> str:
        return self._plugin.current_page

    def measured(self, example: str, name: str, interval: bool = False) -> str:
        """A measured value with its unit, and with ``interval`` its 95% interval in brackets.

        *No difference measured* stands behind a ratio whose interval holds 1, and a difference whose interval
        holds 0; *one run* behind one sample.
        """
        found = self._plugin.edition.value(self._page, example, name)
        if found is None:
            return MISSING
        value, recording, because = found
        where = machine_name(recording.provenance["machine"])
        stale = f" (stale: {because})" if because else ""
        told = f"{value.interval_text or 'no interval'}, measured on {where}{stale}"
        said = value.in_full if interval else str(value)
        remarks = [value.remark] if value.remark else []
        entry = self._plugin.edition.entry(example)
        if entry and entry.published and entry.published.recording != recording:
            remarks += [where, "stale"] if because else [where]  # not that of the tables
        if remarks:
            said = f"{said[:-1]}, " if said.endswith(")") else f"{said} ("
            said += f"{', '.join(remarks)})"
        return f'<span class="sprite-measured" title="{plain(told)}">{plain(said)}</span>'

    def table(self, example: str, which: int | str = 1) -> str:
        """The table of a result that an example showed: the how-manieth, from 1, or a text in its title."""
        return self._part(example, which, r'<div class="sprite-scroll".*?</table></div>')

    def figure(self, example: str, which: int | str = 1) -> str:
        """The figure of a result that an example showed: the how-manieth, from 1, or a text in its title."""
        return self._part(example, which, r"<figure.*?</figure>")

    def _part(self, example: str, which: int | str, pattern: str) -> str:
        result = self._plugin.edition.result(self._page, example, which)
        if result is None:
            return MISSING
        part = re.search(pattern, result.html, re.DOTALL)
        if part is None:
            self._plugin.edition.problems.append(
                f"{self._page} asks for a part that result {which!r} of {example} does not have."
            )
            return MISSING
        return self._plugin.marks.keep(f'<div class="sprite-report">{part[0]}</div>')

    def program(self, example: str, name: str) -> str:
        """The text of a program that an example runs: the file ``name`` without ``.py``."""
        entry = self._plugin.edition.entry(example)
        found = [path for path in entry.example.programs if path.stem == name] if entry else []
        if not found:
            self._plugin.edition.problems.append(
                f"{self._page} asks for the program {name!r}, which {example} does not run."
            )
            return MISSING
        return fenced(found[0].read_text(encoding="utf-8").strip())

    def training(self, framework: str) -> str:
        """The script that trains with a framework: ``with_`` and its name, in ``examples/frameworks``."""
        folder = self._plugin.edition.project.root / "examples" / "frameworks"
        found = [path for path in folder.glob("with_*.py") if path.stem == f"with_{framework}"]
        if not found:
            self._plugin.edition.problems.append(
                f"{self._page} asks for a training with {framework!r}, of which {folder} has no script."
            )
            return MISSING
        text = found[0].read_text(encoding="utf-8").strip()
        watched = [str(n) for n, line in enumerate(text.splitlines(), 1) if "watch(" in line]
        return fenced(text, f'python hl_lines="{" ".join(watched)}"')

    def printed(self, example: str) -> str:
        """What an example or a benchmark printed, as a terminal showed it."""
        recording = self._plugin.edition.wanted(self._page, example)
        if recording is None:
            return MISSING
        outputs = [output for cell in recording.code_cells for output in cell["outputs"]]
        said = [joined(output["text"]) for output in outputs if output["output_type"] == "stream"]
        return fenced("".join(said), "text")

    def provenance(self, example: str) -> str:
        """Where the published figures of an example come from, and how to repeat them.

        A line for the recording of tables and figures, and for each that a value above it is from.
        """
        entry = self._plugin.edition.entry(example)
        if self._plugin.edition.wanted(self._page, example) is None or entry is None:
            return MISSING
        quoted = self._plugin.edition.quoted.get((self._page, example), [])
        lines = [
            provenance_line(
                status.recording,
                not status.because,
                entry.command(status.recording),
                self._plugin.repo_url,
                "Also: " * (status != entry.sources[0]),
            )
            for status in entry.sources
            if status.recording and (status == entry.sources[0] or status in quoted)
        ]
        return self._plugin.marks.keep("".join(lines))

    def where(self, example: str) -> str:
        """What made the published recording of an example, for a sentence: "on 2 cores without a GPU"."""
        recording = self._plugin.edition.wanted(self._page, example)
        if recording is None:
            return MISSING
        machine = recording.provenance["machine"]
        cores = machine.get("usable_cores", "?")
        gpu = f"with the GPU {machine['gpu']}" if machine.get("gpu") else "without a GPU"
        return plain(f"on {cores} core{'s' * (cores != 1)} {gpu}")

    def gpu_notice(self) -> str:
        """A sentence for as long as no published recording was made with a GPU."""
        if self._plugin.edition.has_gpu:
            return ""
        return (
            "No GPU has recorded these experiments yet: a GPU recording is to come, and the page will say so."
        )

    def install(self) -> str:
        """The command that installs the package: from the site, or in a clone if the site has no wheel."""
        if not self._plugin.wheel:
            return "In a clone of this guide:\n\n" + fenced("pip install -e .", "bash")
        address = get_relative_url(self._plugin.wheel, self._plugin.current_url)
        return install_line(address)

    def machines(self) -> str:
        """A table of the machines that made the published recordings."""
        rows: dict[str, str] = {}
        for entry in self._plugin.edition.entries.values():
            for status in (entry.published, *entry.others):
                if status and (recording := status.recording):
                    rows.setdefault(recording.machine, _machine_row(recording.provenance["machine"]))
        head = (
            "| machine | processor | usable cores | memory | system | Python | torch | start method |\n"
            + "|---" * 8
        )
        return "\n".join([f"{head}|", *rows.values()])

    def experiments(self) -> str:
        """A card for each experiment, by groups: its title, and its answer or else its description.

        A search finds these on the experiment's own page.
        """
        groups: dict[str, list[str]] = {}
        for name, entry in self._plugin.edition.entries.items():
            said = filled(entry.example.headline, entry)[0] or entry.example.description
            card = f"-   **[{entry.example.title}]({name}.md)**\n\n    {said}"
            groups.setdefault(entry.example.group or "More", []).append(card)
        groups["More"] = groups.pop("More", [])
        return "\n\n".join(
            f"## {group} {{ data-search-exclude }}\n\n"
            '<div class="sprite-cards" data-search-exclude="yes" markdown>\n\n'
            + "\n\n".join(cards)
            + "\n\n</div>"
            for group, cards in groups.items()
            if cards
        )

    def sprite(self, index: int, scale: int = 4, text: str = "") -> str:
        """Sprite number ``index`` as a picture in a line of text, ``scale`` times its 16 pixels."""
        from spritedocs.sprites import sprite_svg  # here: pages without a sprite need no numpy

        try:
            picture = sprite_svg(index)
        except ValueError as error:
            self._plugin.edition.problems.append(f"{self._page}: {error}.")
            return MISSING
        path, side = f"assets/sprites/{index}.svg", 16 * scale
        config, files = self._plugin.held
        if path not in files.src_uris:
            # MkDocs has settled before it read the pages which of the files are included.
            is_in = InclusionLevel.INCLUDED
            files.append(File.generated(config, path, content=picture, inclusion=is_in))
        address = get_relative_url(path, self._plugin.current_url)
        return (
            f'<img class="sprite" src="{address}" alt="{html.escape(text)}" width="{side}" height="{side}">'
        )


def _machine_row(machine: dict[str, Any]) -> str:
    memory = f"{machine['memory_gb']:.0f} GB" if machine.get("memory_gb") else "?"
    facts = [machine_name(machine), machine.get("cpu", "?"), machine.get("usable_cores", "?"), memory]
    facts += [machine.get(key, "?") for key in ("os", "python", "torch", "start_method")]
    return "| " + " | ".join(plain(fact) for fact in facts) + " |"


def macros_of(plugin: SpritedocsPlugin) -> dict[str, Callable[..., str]]:
    """The macros that pages of the site of ``plugin`` can call, by name."""
    macros = Macros(plugin)
    return {name: getattr(macros, name) for name in dir(macros) if not name.startswith("_")}
