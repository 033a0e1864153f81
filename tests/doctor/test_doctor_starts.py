"""One worker under each start method: that it is gone again, and what is said where none comes."""

from __future__ import annotations

import multiprocessing

import psutil
import pytest

from spritedocs.doctor.starts import Start, start_all
from spritedocs.machine import start_method

METHOD = start_method()


@pytest.fixture
def only_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: [METHOD])


def test_a_worker_is_started_measured_and_gone(only_the_default: None, servers: None) -> None:
    before = set(psutil.Process().children(recursive=True))
    [start] = start_all(budget_s=250)
    assert (start.method, start.problem, start.torch_threads) == (METHOD, "", 1)
    assert start.seconds > 0
    assert start.threads >= 1
    assert start.private_mb is None or start.private_mb > 0
    assert set(psutil.Process().children(recursive=True)) <= before


def test_every_method_has_its_turn_while_there_is_time() -> None:
    assert start_all(budget_s=0.5) == tuple(map(Start, multiprocessing.get_all_start_methods()))


def test_what_stops_a_worker_is_told(
    only_the_default: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(multiprocessing.get_context(METHOD), "Queue", fail)
    assert start_all() == (Start(METHOD, None, "OSError: [Errno 30] Read-only file system"),)
    assert capsys.readouterr() == ("", "")


def test_a_worker_that_is_late_has_not_failed(
    only_the_default: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object, **__: object) -> None:
        raise RuntimeError("DataLoader timed out after 10 seconds")

    monkeypatch.setattr(multiprocessing.get_context(METHOD), "Queue", late)
    assert start_all() == (Start(METHOD),)
