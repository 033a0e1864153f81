"""The recordings as files of the site, for mkdocs-jupyter to make views of."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

__all__ = ["notebook_file", "write_whole"]


def notebook_file(config: MkDocsConfig, name: str, notebook: bytes, folder: Path) -> File:
    """The ``notebook`` of an example as ``notebooks/NAME.ipynb``, written below ``folder``.

    mkdocs-jupyter takes the path from there and looks at nothing else.
    """
    path = f"notebooks/{name}.ipynb"
    copy = folder / path
    if not copy.is_file() or copy.read_bytes() != notebook:
        write_whole(copy, notebook)
    return File(path, str(folder), config.site_dir, config.use_directory_urls)


def write_whole(path: Path, content: bytes) -> None:
    """Write the file ``path`` in one step: others may read it meanwhile, and this may be cut short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, written = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        Path(written).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(written).unlink()
        raise
