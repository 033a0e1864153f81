"""What the commands about recordings share: the packages that they need, and failures told in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from spritedocs.cli.streams import leave
from spritedocs.guide import lack
from spritedocs.machine import undisturbed

__all__ = ["AboutRecordings"]


class AboutRecordings(click.Command):
    """A command that needs some modules of the extra ``record``, so that nothing may import them before."""

    def __init__(self, *arguments: Any, needs: Iterable[str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._needs = needs

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, or say what it lacks."""
        if sentence := lack(f"spritedocs {self.name}", self._needs):
            leave(sentence, 1)
        with undisturbed():
            from spritedocs.recordings import ExampleError, RecordingError
        try:
            return super().invoke(ctx)
        except ExampleError as misuse:
            leave(str(misuse), 2)
        except RecordingError as failure:
            leave(str(failure), 1)
