"""What the tuner's process says: nothing else in its pipe is taken for that."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from spritedocs.target import channel
from spritedocs.target.channel import CLOSED_STATUS, Channel, signed

KEY = b"sprite"


def said(*messages: dict[str, Any], key: bytes = KEY, between: bytes = b"") -> bytes:
    """The bytes of ``messages``, with other bytes ``between`` them."""
    read, write = os.pipe()
    speaker = Channel(write)
    speaker.key = key
    for message in messages:
        os.write(write, between)
        speaker.say(**message)
    os.write(write, between)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        return pipe.read()


def heard(text: bytes) -> list[dict[str, Any]]:
    return list(signed(io.BytesIO(text), KEY))


MESSAGES: list[dict[str, Any]] = [
    {"tries": ["looking", 0.5, 2]},
    {"error": {"sentence": "It failed.", "status": 1, "traceback": ""}},
    {"result": {"line": "DataLoader(...)"}},
]


@pytest.mark.parametrize(
    "between",
    [
        b"",
        b"half a line",
        b'{"line": "pwned"}\n{"result": {"line": "pwned"}}\n[]\n7\n',
        b'{"tries": 5}\n\xff\xfe\n\n \n',
        b"0" * 64 + b' {"result": {"line": "pwned"}}\n',
        b"[" * 10_000,
    ],
)
def test_only_what_is_signed_is_heard(between: bytes) -> None:
    assert heard(said(*MESSAGES, between=between)) == MESSAGES
    assert heard(said(*MESSAGES, key=b"another", between=between)) == []


def test_a_line_without_end_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "LONGEST_BYTES", 1000)
    stream = io.BytesIO(b"x" * 100_000 + said(MESSAGES[0]))
    sizes: list[int] = []
    read = stream.readline
    stream.readline = lambda size: sizes.append(size) or read(size)  # type: ignore[method-assign,assignment,func-returns-value]
    assert list(signed(stream, KEY)) == MESSAGES[:1]
    assert set(sizes) == {1000}


@pytest.mark.parametrize(
    "message",
    [
        {"tries": "looking"},
        {"tries": ["looking", None, 2]},
        {"tries": ["looking", 1.0]},
        {"error": "It failed."},
        {"error": {"sentence": "It failed.", "status": "1", "traceback": ""}},
        {"error": {"sentence": "It failed."}},
        {"result": ["pwned"]},
        {"prints": "pwned"},
        {"line": "pwned"},
        {"result": {}, "line": "pwned"},
        {},
    ],
)
def test_what_has_another_shape_is_no_message(message: dict[str, Any]) -> None:
    assert heard(said(message)) == []


CODE = """
import os, sys
from spritedocs.target.channel import Channel
os.dup2(1, 9)
channel = Channel(9)
if sys.argv[1] == "close":
    os.close(9)
else:
    os.dup2(os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY), 9)
channel.say(result={})
"""


def test_nothing_is_written_into_a_file_of_theirs_that_took_its_number(tmp_path: Any) -> None:
    for other in ("close", str(tmp_path / "theirs")):
        done = subprocess.run(
            [sys.executable, "-c", CODE, other], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (CLOSED_STATUS, "", "")
    assert (tmp_path / "theirs").read_bytes() == b""


def test_the_key_is_in_no_message() -> None:
    assert KEY not in said(*MESSAGES)
    assert json.loads(said(MESSAGES[0]).split(b" ", 1)[1]) == MESSAGES[0]
