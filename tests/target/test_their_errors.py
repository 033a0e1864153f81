"""The reader's traceback without frames of ours, and the sentence that follows it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch.utils.data import DataLoader

from spritedocs.model import Costs, Settings, predict
from spritedocs.target.loading import load
from spritedocs.target.their_errors import TheirError, failed, their_traceback
from spritedocs.timing import dismiss

THEIRS = """\
import json

def find():
    json.loads("{")

def make():
    try:
        find()
    except ValueError:
        raise KeyError("sprite 13")
"""


@pytest.fixture
def raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TheirError]:
    """What comes of a file of theirs that catches one error and raises another."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    path = tmp_path / "cursed_sprites.py"
    path.write_text(THEIRS, encoding="utf-8")
    with pytest.raises(TheirError) as caught:
        load(f"{path}:make")
    yield caught.value
    del sys.modules["cursed_sprites"]


def test_their_traceback_has_their_frames_and_what_they_called_and_none_of_ours(raised: TheirError) -> None:
    assert raised.__cause__ is not None
    shown = their_traceback(raised.__cause__)
    assert shown.startswith('Traceback (most recent call last):\n  File "')
    assert shown.endswith("\nKeyError: 'sprite 13'")
    for present in ("in find", "in make", "json", "\n\nDuring handling of the above exception, another"):
        assert present in shown
    for absent in ("spritedocs", "importlib", "targets.py"):
        assert absent not in shown


def test_what_their_error_led_to_in_our_code_is_not_shown(raised: TheirError) -> None:
    assert raised.__traceback__ is not None
    raised.__traceback__ = raised.__traceback__.tb_next  # without the frame of this file
    assert their_traceback(raised).endswith("KeyError: 'sprite 13'")
    raised.__cause__ = None
    assert their_traceback(raised) == ""


def test_no_frame_of_ours_is_theirs_whatever_module_it_is_in() -> None:
    with pytest.raises(ValueError, match="is no epoch") as raised:
        predict(Costs((1.0,), (1.0,), 1), Settings(), batches=0)
    assert raised.value.__traceback__ is not None
    raised.value.__traceback__ = raised.value.__traceback__.tb_next  # without the frame of this file
    assert their_traceback(raised.value) == ""


class Cursed:
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        raise ValueError(f"sprite {index} is cursed")


def test_of_what_a_worker_passes_on_only_what_it_raised_is_shown() -> None:
    loader = DataLoader(Cursed(), num_workers=1, multiprocessing_context="fork")
    iterator = iter(loader)
    with pytest.raises(ValueError, match="is cursed") as caught:
        next(iterator)
    dismiss(loader, iterator)  # else its worker stays as long as the traceback does
    lines = their_traceback(caught.value).splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith("in __getitem__")
    assert lines[-1] == "ValueError: sprite 0 is cursed"
    assert sum(line.startswith("  File ") for line in lines) == 1
    assert failed("Your code", caught.value).startswith(
        "Your code failed with ValueError: sprite 0 is cursed."
    )


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            SystemExit(2),
            'ended Python, with sys.exit(2): keep what a script does under if __name__ == "__main__".',
        ),
        (ModuleNotFoundError("No module", name="sprites"), "needs 'sprites', which is not installed in "),
        (ImportError("attempted relative import with no known parent package"), "name the module, as in "),
        (RuntimeError("CUDA out of memory. Tried to"), "failed, because the GPU ran out of memory"),
        (ValueError(), "failed with ValueError. Mend that"),
        (ValueError("a " * 500), "a a … a a"),
        (ValueError("two\nlines."), "failed with ValueError: two lines. Mend that"),
    ],
)
def test_a_failure_is_one_sentence_with_a_remedy(error: BaseException, sentence: str) -> None:
    said = failed("Importing mine.py", error)
    assert said.startswith("Importing mine.py ")
    assert sentence in said
    assert "\n" not in said
    assert len(said) < 350
