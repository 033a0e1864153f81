"""What the reader's code prints: the first lines, and how many more there were."""

from __future__ import annotations

import io

import pytest

from spritedocs.target import printed as module
from spritedocs.target.printed import FIRST, LAST, Printed


def printed(said: bytes) -> tuple[Printed, list[str]]:
    shown: list[str] = []
    reader = Printed(shown.append)
    reader.read(io.BytesIO(said))
    return reader, shown


@pytest.mark.parametrize("count", [FIRST, FIRST + 1, FIRST + LAST, 2000])
def test_the_first_lines_are_shown_and_the_rest_is_counted(count: int) -> None:
    reader, shown = printed(b"".join(b"item %d\n" % number for number in range(count)))
    assert shown == [f"item {number}" for number in range(FIRST)]
    hidden = count - FIRST
    more = f"… {hidden:,} more line{'s' * (hidden > 1)} from your code"
    assert reader.rest() == ([more] if hidden else [])
    last = reader.rest(with_last=True)
    assert last[-1:] == ([f"item {count - 1}"] if hidden else [])
    assert len(last) == min(hidden, LAST + 1 if hidden > LAST else hidden)


def test_what_moves_the_cursor_is_left_out() -> None:
    said = b"\x1b[1mbold\x1b[0m\t1%\r\x1b[2K2%\r\n\n\x07bell \xff\n\x1b]0;title\x07" + "löaded".encode()
    assert printed(said)[1] == ["bold    1%", "2%", "bell \N{REPLACEMENT CHARACTER}", "löaded"]


def test_a_line_without_end_is_shown_in_parts() -> None:
    assert len(printed(b"x" * 1_000_000)[1]) == FIRST


def test_a_line_that_is_not_shown_is_only_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may print a hundred megabytes, and the run waits for whoever reads them."""
    cleaned: list[bytes] = []
    made = module._shown

    def counting(line: bytes) -> list[str]:
        cleaned.append(line)
        return made(line)

    monkeypatch.setattr(module, "_shown", counting)
    reader, shown = printed(b"sprite\n" * 100_000)
    assert (len(shown), len(cleaned)) == (FIRST, FIRST)
    assert reader.rest(with_last=True) == ["… 99,985 more lines from your code", *["sprite"] * LAST]
