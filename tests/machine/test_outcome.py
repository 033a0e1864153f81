"""Reading what a program printed: by its headings, by places in its file, by what it found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spritedocs.machine import NotHere, Outcome

TRACEBACK = """\
trained on batch 0
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    train(2)
  File "…/torch/loader.py", line 7, in __next__
    raise it
    ^^^^^^^^
RuntimeError:
    An attempt has been made
"""
STACKS = """\
Thread 0x00007f (most recent call first):
  File "…/threading.py", line 9 in wait
  File "train.py", line 20 in __getitem__
  File "train.py", line 48 in <module>

Extension modules: numpy (total: 1)
"""
SPIED = """\
Thread 7 (idle): "MainThread"
    LockedSprites.__getitem__ (train.py:20)
    fetch (torch/utils/data/_utils/fetch.py:54)
    wait (threading.py:320)
    <module> (train.py:48)
"""


def said(text: str, status: int | None = 0) -> Outcome:
    return Outcome(text, status, 0.1)


def test_a_text_is_cut_at_its_headings_and_what_is_not_there_says_so() -> None:
    parts = said("noise\n== one\na\nb\n== two\n").parts
    assert {heading: part.text for heading, part in parts.items()} == {"one": "a\nb\n", "two": ""}
    with pytest.raises(RuntimeError, match=r"^train\.py printed nothing about 'three': it ended well$"):
        parts["three"]
    assert said("").parts == {}


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        (
            TRACEBACK,
            'trained on batch 0\nTraceback (most recent call last):\n> File "train.py", line 3, in <module>\n'
            ">   train(2)\n  … lines of other files: 3\nRuntimeError:\n    An attempt has been made",
        ),
        (
            STACKS,
            "Thread 0x00007f (most recent call first):\n  … lines of other files: 1\n"
            '> File "train.py", line 20 in __getitem__\n> File "train.py", line 48 in <module>\n\n'
            "  … lines of other files: 1",
        ),
        (
            SPIED,
            'Thread 7 (idle): "MainThread"\n>   LockedSprites.__getitem__ (train.py:20)\n'
            "  … lines of other files: 2\n>   <module> (train.py:48)",
        ),
        ("", ""),
    ],
    ids=["traceback", "faulthandler", "py-spy", "nothing"],
)
def test_its_own_lines_are_marked_and_others_only_counted(text: str, folded: str) -> None:
    assert said(text).folded == folded


def test_places_are_its_own_with_the_code_that_a_traceback_shows() -> None:
    assert said(TRACEBACK).frames == [(3, "<module>", "train(2)")]
    for text in (STACKS, SPIED):
        assert said(text).frames == [(20, "__getitem__", ""), (48, "<module>", "")]
        assert said(text).line("<module>") == 48
    with pytest.raises(RuntimeError, match="no stack with __getitem__: it ended well, after RuntimeError:"):
        said(TRACEBACK).line("__getitem__")


def test_the_answer_is_found_among_other_words() -> None:
    assert said('UserWarning: {two} workers\n{"import_s": 1.0}\nlate words').answer == {"import_s": 1.0}


@pytest.mark.parametrize("ask", [lambda outcome: outcome.parts, lambda outcome: outcome.answer])
@pytest.mark.parametrize(
    ("text", "status", "how"),
    [
        ("== one\n{}\n" + TRACEBACK, 1, "ended itself, with exit status 1, after RuntimeError:"),
        ("", 1, "ended itself, with exit status 1"),
        ("", -11, r"crashed \(SIGSEGV\)"),
        ("", None, "stopped answering"),
    ],
    ids=["error", "silent", "crash", "hang"],
)
def test_a_program_that_failed_has_no_answer_and_is_no_gap(
    ask: Callable[[Outcome], object], text: str, status: int | None, how: str
) -> None:
    with pytest.raises(RuntimeError, match=rf"^train\.py printed no.*: it {how}$"):
        ask(said(text, status))


def raising(error: str, file: str = "train.py") -> Outcome:
    return said(f'Traceback (most recent call last):\n  File "{file}", line 3, in <module>\n{error}\n', 1)


def test_a_program_may_say_itself_that_this_system_cannot_do_it() -> None:
    with pytest.raises(NotHere, match=r"^train\.py cannot do that here: only Linux holds a process\.$"):
        raising("NotImplementedError: only Linux holds a process").answer  # noqa: B018


@pytest.mark.parametrize(
    "outcome",
    [
        raising("NotImplementedError: no kernel for this device", "…/torch/_ops.py"),
        raising("NotImplementedError"),
        said("NotImplementedError: told, and survived"),
    ],
    ids=["torch's", "an abstract method", "caught"],
)
def test_but_not_every_such_error_says_so(outcome: Outcome) -> None:
    with pytest.raises(RuntimeError, match="printed no answer: it ended"):
        outcome.answer  # noqa: B018
