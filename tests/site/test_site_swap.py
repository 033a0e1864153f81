"""A build takes the site's place when it is whole. One that fails, or is ended, leaves the site as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mkdocs.exceptions import PluginError
from tiny import Tiny

from spritedocs.site.swap import SiteSwap

HOOKS = """\
import errno, os, signal, threading

def on_post_page(output, page, config):
    fault = os.environ.get("FAULT", "")
    if fault.startswith("SIG"):
        signal.raise_signal(getattr(signal, fault))
    if fault == "full":
        raise OSError(errno.ENOSPC, "No space left on device", "index.html")
    return output

def on_serve(server, config, builder):
    # Not os.kill: on a busy machine another thread may get that one, and later than this one goes on.
    server.serve = lambda **options: signal.raise_signal(getattr(signal, os.environ["FAULT_SERVED"]))
"""


class Site:
    """A site that is there, with what MkDocs made and what it did not make."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.locks = folder / "site", folder / "locks"
        self.folder.mkdir()
        (self.folder / "old.html").write_text("old")
        (self.folder / ".git").write_text("kept")

    def begin(self) -> tuple[SiteSwap, Any]:
        config = SimpleNamespace(site_dir=str(self.folder))
        return SiteSwap(config, self.locks), config  # type: ignore[arg-type]

    def build(self, whole: bool = True) -> None:
        swap, config = self.begin()
        (Path(config.site_dir) / "new.html").write_text("new")
        swap.whole = whole
        swap.end()
        assert config.site_dir == str(self.folder)

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    @property
    def around(self) -> list[str]:
        return sorted(path.name for path in self.folder.parent.iterdir())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_whole_build_takes_the_place_of_the_site_and_leaves_hidden_files(site: Site) -> None:
    site.build()
    assert site.files == [".git", "new.html"]
    assert site.around == ["locks", "site"]


def test_a_build_that_is_not_whole_leaves_the_site_as_it_was(site: Site) -> None:
    site.build(whole=False)
    assert site.files == [".git", "old.html"]
    assert site.around == ["locks", "site"]


def test_the_first_build_makes_the_site(site: Site) -> None:
    (site.folder / "old.html").unlink()
    (site.folder / ".git").unlink()
    site.folder.rmdir()
    site.build(whole=False)
    assert site.around == ["locks"]
    site.build()
    assert site.files == ["new.html"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_site_that_is_a_link_stays_one(site: Site) -> None:
    site.folder.rename(site.folder.parent / "elsewhere")
    site.folder.symlink_to("elsewhere")
    site.build()
    assert site.folder.is_symlink()
    assert site.files == [".git", "new.html"]


def test_the_next_build_tidies_up_after_one_that_was_killed(site: Site) -> None:
    beside, former = (site.folder.parent / f".site.{name}" for name in ("building", "former"))
    beside.mkdir()
    (beside / "half.html").touch()
    site.build(whole=False)
    assert site.around == ["locks", "site"]
    site.folder.rename(former)  # killed between putting the site aside and putting the new one there
    site.build(whole=False)
    assert site.files == [".git", "old.html"]
    former.mkdir()  # killed after that
    (former / ".htaccess").touch()
    (former / "older.html").touch()
    site.build(whole=False)
    assert site.files == [".git", ".htaccess", "old.html"]
    assert site.around == ["locks", "site"]


def test_a_second_build_at_once_says_so(site: Site) -> None:
    swap, _ = site.begin()
    with pytest.raises(PluginError, match=r"^Another build makes .*site: wait until it has ended, or name "):
        site.begin()
    swap.end()
    site.build()
    assert site.files == [".git", "new.html"]


def test_a_site_that_cannot_be_replaced_stays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def in_use(path: Path, target: Path) -> Path:
        if path.name == ".site.building":
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", in_use)
    with pytest.raises(PluginError, match=r"site cannot be replaced \(Permission denied\): close what has "):
        site.build()
    assert site.files == [".git", "old.html"]
    assert site.around == ["locks", "site"]


@pytest.mark.parametrize("number", [13, 30, 28])
def test_where_no_folder_may_be_made_beside_it_the_site_is_built_in_place_and_on_a_full_disk_not_at_all(
    site: Site, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(path: Path, *arguments: Any, **options: Any) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        site.locks.mkdir()
        make = Path.mkdir
        patch.setattr(Path, "mkdir", lambda p, *a, **o: (make if p == site.locks else fail)(p, *a, **o))
        if number == 28:
            with pytest.raises(PluginError, match="make room"):
                site.begin()
        else:
            site.build()
            assert site.files == [".git", "new.html", "old.html"]
    site.build()
    assert site.files == [".git", "new.html"]


# As a whole, by MkDocs' own command.


@pytest.fixture
def hooked(tiny: Tiny) -> Tiny:
    """With a site that is there, and hooks that make a build fail."""
    tiny.edit("mkdocs.yml", "site_name: tiny\n", "site_name: tiny\nhooks: [hooks.py]\n")
    (tiny.root / "hooks.py").write_text(HOOKS, encoding="utf-8")
    (tiny.root / "site").mkdir()
    (tiny.root / "site" / "old.html").touch()
    return tiny


def left(tiny: Tiny) -> list[str]:
    """The site's files, and what stands beside it."""
    beside = [path.name for path in tiny.root.glob(".site*")]
    return sorted(path.name for path in (tiny.root / "site").iterdir()) + beside


@pytest.mark.parametrize("fault", ["strict", "full", "SIGTERM"])
def test_a_build_that_fails_or_is_ended_leaves_the_site_as_it_was(hooked: Tiny, fault: str) -> None:
    if fault == "SIGTERM" and sys.platform == "win32":
        pytest.skip("Windows has no such signal")
    hooked.edit("docs/index.md", "# T", "[Lost](lost.md)\n\n# T")
    build = hooked.build_apart if fault == "SIGTERM" else partial(hooked.build, strict=fault == "strict")
    built = build(FAULT=fault)
    assert built.status == (143 if fault == "SIGTERM" else 1)
    assert "Traceback" not in built.said
    assert ("index.html cannot be used: No space left on device." in built.said) == (fault == "full")
    assert left(hooked) == ["old.html"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
@pytest.mark.parametrize(("when", "name"), [("FAULT", "SIGTERM"), ("FAULT_SERVED", "SIGHUP")])
def test_a_server_that_is_told_to_end_leaves_nothing_behind(
    hooked: Tiny, tmp_path: Path, when: str, name: str
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    usual = signal.signal(
        getattr(signal, name), signal.SIG_DFL
    )  # under nohup the server would stay, as it should
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "serve", "--dev-addr", "127.0.0.1:0"],
        cwd=hooked.root,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "TMPDIR": str(temporary), when: name},
        capture_output=True,
        text=True,
        check=False,
    )
    signal.signal(getattr(signal, name), usual)
    assert done.returncode == 128 + getattr(signal, name), done.stderr
    assert list(temporary.iterdir()) == []
    assert left(hooked) == ["old.html"]
