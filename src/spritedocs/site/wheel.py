"""The package itself as a download of its site: who reads there needs neither a clone nor a package index."""

from __future__ import annotations

import functools
import html
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

__all__ = ["add_wheel", "install_line"]

_SCRIPT = "assets/wheel-address.js"


def add_wheel(config: MkDocsConfig, files: Files, root: Path) -> str:
    """Add the wheel of the package at ``root`` to the site, and return its path there; ``""`` without one.

    None is built where the build backend is not installed: nothing is fetched from anywhere.
    """
    folder = root / ".cache" / "spritedocs" / "wheel"
    wheel = _built(root, folder)
    if wheel and not wheel.is_file():  # 'make clean' beside a server
        _built.cache_clear()
        wheel = _built(root, folder)
    if wheel is None:
        return ""
    path = f"downloads/{wheel.name}"
    files.append(File.generated(config, path, abs_src_path=str(wheel)))
    script = Path(__file__).with_name(Path(_SCRIPT).name).read_text(encoding="utf-8")
    files.append(File.generated(config, _SCRIPT, content=script))
    if _SCRIPT not in config.extra_javascript:
        config.extra_javascript.append(_SCRIPT)
    return path


def install_line(address: str) -> str:
    """HTML with the command that installs the wheel at ``address``, which is relative to the page.

    A script makes it a whole one. Where none runs it is said that pip needs that.
    """
    address = html.escape(address)
    link = f'<a class="sprite-wheel" href="{address}">{address}</a>'
    return (
        f'<div class="highlight"><pre><code>pip install {link}</code></pre></div>\n\n'
        "<noscript><p>pip needs the whole address of that file: the link has it.</p></noscript>"
    )


@functools.cache
def _built(root: Path, folder: Path) -> Path | None:
    if not (root / "pyproject.toml").is_file():
        return None
    try:
        from hatchling.builders.wheel import WheelBuilder
    except ImportError:
        return None
    return Path(next(WheelBuilder(str(root)).build(directory=str(folder), versions=["standard"])))
