"""How a batch changes hands: what a tensor that is kept leaves open, and how a loader is told to send it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from spritedocs.machine import NotHere, worker_pids
from spritedocs.timing import dismiss

NAME = "21_how_a_batch_changes_hands"


def found_by(script: dict[str, Any], strategy: str, look: Callable[[Any], Any]) -> Any:
    """What ``look`` finds of a loader, at the third try if need be.

    torch's manager of shared files has a second to answer a worker (``torch/lib/libshm/socket.h``). Where it
    waits for a core as long, the batch is lost.
    """
    for is_last in (False, False, True):
        loader = script["sharing_loader"](strategy)
        loader.timeout = 20
        try:
            return look(loader)
        except RuntimeError:
            if is_last:
                raise
        finally:
            dismiss(loader)
    return None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows both strategies")
@pytest.mark.usefixtures("forks")
@pytest.mark.parametrize(("strategy", "left"), [("file_descriptor", (1, 0)), ("file_system", (0, 1))])
def test_kept_tensors_are_open_files_or_names_and_nothing_is_left(script, strategy, left) -> None:
    found = found_by(script, strategy, script["hand_over"])
    assert (found["open"], found["named"]) == left
    assert found["batch_ms"] > 0
    # It was set in the helpers, not here.
    assert torch.multiprocessing.get_sharing_strategy() == "file_descriptor"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows both strategies")
@pytest.mark.usefixtures("forks")
def test_names_are_gone_once_nothing_is_kept(script) -> None:
    def look(loader: Any) -> tuple[int, int, int, int]:
        kept = list(loader)
        batches, named = len(kept), script["open_and_named"](loader)[1]
        kept.clear()
        return len(worker_pids(loader)), batches, named, script["open_and_named"](loader)[1]

    workers, batches, named, still_named = found_by(script, "file_system", look)
    assert workers == 2
    assert named >= batches == 24
    assert still_named < named


def test_strategies_are_compared_where_both_are_known(script, monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NotHere, match="Linux"):
        script["hand_over"](script["sharing_loader"]("file_system"))
