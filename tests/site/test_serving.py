"""``mkdocs serve`` at addresses that cannot be used, with folders that vanish, and after one was killed."""

from __future__ import annotations

import errno
import os
import queue
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from mkdocs.__main__ import cli
from mkdocs.exceptions import PluginError
from mkdocs.livereload import LiveReloadServer
from running import PROJECT
from tiny import Tiny
from watchdog.observers.api import EventQueue, ObservedWatch

from spritedocs.recordings import Project
from spritedocs.site.serving import ServedFolder, _PatientEmitter, check_address, prepare, watched


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_an_address_that_can_be_served_is_let_pass() -> None:
    check_address("127.0.0.1", 0)
    check_address("localhost", 0)


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 here")
def test_so_is_one_of_ipv6(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    check_address("::1", 0)
    server = LiveReloadServer(lambda: None, "::1", 0, str(tmp_path))
    prepare(server)
    server.server_bind()
    server.server_close()
    assert server.url.startswith("http://[::1]:")


def test_an_address_that_is_taken_is_refused_with_the_remedy(taken: int, tmp_path: Path) -> None:
    sentence = rf"^Another program serves 127\.0\.0\.1:{taken}: stop it, or choose another port, as in "
    with pytest.raises(PluginError, match=sentence):
        check_address("127.0.0.1", taken)
    # It may be taken while the site is being built.
    server = LiveReloadServer(lambda: None, "127.0.0.1", taken, str(tmp_path))
    prepare(server)
    with pytest.raises(PluginError, match=sentence):
        server.server_bind()
    server.server_close()


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EACCES, "127.0.0.1:80 cannot be served, as you may not use port 80: choose another port"),
        (errno.EADDRNOTAVAIL, "127.0.0.1:80 cannot be served (no such address): choose another address"),
    ],
)
def test_what_the_system_refuses_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise OSError(number, "no such address")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(PluginError) as caught:
        check_address("127.0.0.1", 80)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("port", [65536, 99999, -1])
def test_a_port_that_there_is_not_is_refused_in_a_sentence(port: int) -> None:
    with pytest.raises(PluginError, match=f"^127.0.0.1:{port} cannot be served, as ports are 1 to 65535: "):
        check_address("127.0.0.1", port)


@pytest.mark.parametrize(
    "address",
    ["nonsense", "", ":99999", "[::1:80", "nowhere.invalid:80", "127.0.0.1:x"],
)
def test_what_is_no_address_mkdocs_itself_refuses_without_a_traceback(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = CliRunner().invoke(cli, ["serve", "-f", str(tiny.root / "mkdocs.yml"), "--dev-addr", address])
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)


def test_bare_mkdocs_serve_at_a_taken_port_says_so(tiny: Tiny, tmp_path: Path, taken: int) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "serve", "--dev-addr", f"127.0.0.1:{taken}"],
        cwd=tiny.root,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"Another program serves 127.0.0.1:{taken}: stop it, or choose another port" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(temporary.iterdir()) == []


def test_a_folder_that_vanishes_is_watched_when_it_comes_back(tmp_path: Path) -> None:
    folder, events = tmp_path / "docs", EventQueue()
    folder.mkdir()
    (folder / "index.md").touch()
    emitter = _PatientEmitter(events, ObservedWatch(str(folder), recursive=True), timeout=0)
    emitter.on_thread_start()

    def seen() -> set[str]:
        emitter.queue_events(0)
        found = set()
        while True:
            try:
                found.add(type(events.get_nowait()[0]).__name__)
            except queue.Empty:
                return found

    assert seen() == set()
    shutil.rmtree(folder)
    assert "FileDeletedEvent" in seen()
    assert seen() == set()
    folder.mkdir()
    (folder / "index.md").touch()
    assert "FileCreatedEvent" in seen()


def test_a_build_that_looks_what_to_watch_is_no_reason_to_build(tiny: Tiny) -> None:
    """The mark is watched: touched by each build, it would have the server build for ever."""
    project, mark = Project(tiny.root), tiny.root / "rendered.mark"
    watched(project, mark)
    os.utime(mark, (1, 1))
    assert str(mark) in watched(project, mark)
    assert mark.stat().st_mtime == 1


def test_a_server_watches_with_patience_whatever_it_watched(tmp_path: Path) -> None:
    server = LiveReloadServer(lambda: None, "127.0.0.1", 0, str(tmp_path))
    server.watch(str(tmp_path))
    prepare(server)
    server.observer.start()
    assert [type(emitter) for emitter in server.observer.emitters] == [_PatientEmitter]
    assert [emitter.watch.path for emitter in server.observer.emitters] == [str(tmp_path)]
    server.observer.stop()
    server.observer.join()
    server.server_close()


def test_a_server_removes_what_killed_ones_of_the_same_clone_left_and_nothing_else(tmp_path: Path) -> None:
    def folder(name: str, mark: str = "") -> Path:
        made = tmp_path / name
        made.mkdir()
        (made / (mark or "index.html")).touch()
        return made

    def marked(made: Path) -> str:
        return next(made.glob(".spritedocs*")).name

    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    living = ServedFolder(folder("mkdocs_living"), here)
    another = ServedFolder(folder("mkdocs_another"), elsewhere)
    mark, anothers = marked(tmp_path / "mkdocs_living"), marked(tmp_path / "mkdocs_another")
    folder("mkdocs_killed", mark)
    folder("mkdocs_killed_another", anothers)
    folder("mkdocs_unknown")
    folder("other_folder", mark)
    served = ServedFolder(folder("mkdocs_ours"), here)
    left = {path.name for path in tmp_path.iterdir()} - {"here", "elsewhere"}
    for server in (living, another, served):
        server.release()
    kept = {"living", "another", "killed_another", "unknown", "ours"}
    assert left == {"other_folder", *(f"mkdocs_{name}" for name in kept)}


def test_make_hands_its_address_and_its_signals_on_to_the_server() -> None:
    makefile = (PROJECT.root / "Makefile").read_text(encoding="utf-8")
    assert '\t@exec $(BIN)/mkdocs serve --dev-addr "$$ADDRESS"\n' in makefile
    assert "\nexport ADDRESS\n" in makefile
