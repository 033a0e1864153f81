"""Errors told in a sentence: what was raised, what a shortage on this machine means, how a process ended."""

from __future__ import annotations

import errno
import re
import signal
import traceback

__all__ = [
    "ending",
    "is_crash",
    "killer",
    "plain",
    "raised",
    "raised_as",
    "raised_before",
    "said_by",
    "shortage",
    "shortened",
]

LONGEST = 240
"""How many characters of a message are shown: who wants more looks at the traceback."""

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_HEADING = "Traceback (most recent call last):"
_IN_WORKER = re.compile(rf"^Original .*{re.escape(_HEADING)}$", re.MULTILINE)
_GROUP = re.compile(rf" *\+ Exception Group {re.escape(_HEADING)}\n(?P<inside>(?: +[|+].*\n?)+)")
_MARGIN = re.compile(r"^ +(?:\| ?|\+.*$)", re.MULTILINE)
_MODULE = re.compile(r"^(?:\w+\.)+(?=\w+(?::|$))")
_CHAINED = re.compile(
    r"\n(?:The above exception was the direct cause|During handling of the above exception)"
)
_RAISED = re.compile(r"^(?:\w+\.)*[A-Z]\w*: .+$", re.MULTILINE)

_SHORTAGES = {
    errno.EMFILE: "too many files are open: raise the limit, as by 'ulimit -n 4096'",
    errno.ENOSPC: "the disk is full: free some room, or set TMPDIR (on Windows TEMP) to a folder with room",
    errno.EDQUOT: "the disk quota is used up: free some room, or set TMPDIR (on Windows TEMP) elsewhere",
    errno.EAGAIN: "no more processes can be started: end some, or raise the limit, as by 'ulimit -u 4096'",
    errno.ENOMEM: "there is too little memory: end other programs, or raise the limit ('ulimit -v')",
}
_SAID = {
    errno.EMFILE: "Too many open files",
    errno.ENOSPC: "No space left on device",
    errno.EDQUOT: "Disk quota exceeded",
    errno.EAGAIN: "can't start new thread",
    errno.ENOMEM: "Cannot allocate memory",
}
"""What is left of them where an error comes from another process, or from zmq."""


def said_by(error: BaseException) -> str:
    """The message of ``error``, or ``""`` where asking for it raises another."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a method of theirs
        return ""


def plain(text: str) -> str:
    """``text`` without colours and control codes; its lines stay."""
    return _CONTROL.sub(" ", _COLOUR.sub("", text))


def shortened(text: str, longest: int = LONGEST) -> str:
    """``text`` on one line of at most ``longest`` characters: its beginning and its end.

    Examples:
        >>> shortened("sprite 1\\n\\x1b[31mis cursed\\x1b[0m")
        'sprite 1 is cursed'
        >>> shortened("no sprites " * 9 + "left", longest=24)
        'no sprites no sp … left'
    """
    line = " ".join(plain(text).split())
    if len(line) <= longest:
        return line
    begins = longest * 2 // 3
    return f"{line[:begins].rstrip()} … {line[begins + 3 - longest :].lstrip()}"


def raised(error: BaseException, longest: int = LONGEST) -> str:
    """The kind of an error and its message, both as in the worker that it came from, if it did.

    Of a group it is followed by what each of its errors is.

    Examples:
        >>> raised(ValueError("sprite 13 is cursed"))
        'ValueError: sprite 13 is cursed'
    """
    told = "".join(traceback.format_exception(error)) if isinstance(error, BaseExceptionGroup) else ""
    return raised_as(type(error).__name__, said_by(error), told, longest)


def raised_as(name: str, said: str, told: str = "", longest: int = LONGEST) -> str:
    """As ``raised``, where only an error's kind, its message and its traceback are left."""
    shown = f"{name}: {said}"
    if group := _GROUP.search(said) or _GROUP.search(told):
        lines = _MARGIN.sub("", group["inside"]).splitlines()
        shown = "; ".join(line for line in lines if re.match(r"\S", line) and _HEADING not in line)
    elif _IN_WORKER.search(said):
        # Frames are indented; what ended the last one is not.
        found = re.search(r"^\S.*", said.rpartition(f"{_HEADING}\n")[2], re.MULTILINE | re.DOTALL)
        shown = _MODULE.sub("", found[0]) if found else name
    return shortened(shown, longest).rstrip(" .:")


def raised_before(told: str) -> str | None:
    """What was raised first where one error led to another, by their traceback; else ``None``."""
    first, *later = _CHAINED.split(plain(told))
    found = _RAISED.findall(first)
    return shortened(_MODULE.sub("", found[-1]), LONGEST // 2).rstrip(" .:") if later and found else None


def shortage(error: BaseException | str) -> str | None:
    """What this machine has run out of and what helps, after "because"; ``None`` for other errors.

    Examples:
        >>> shortage("OSError: [Errno 24] Too many open files")
        "too many files are open: raise the limit, as by 'ulimit -n 4096'"
    """
    number = getattr(error, "errno", None)
    if number not in _SHORTAGES:
        said = error if isinstance(error, str) else said_by(error)
        number = next((each for each, words in _SAID.items() if words in said), None)
    return _SHORTAGES[number] if number is not None else None


def ending(status: int | None) -> str:
    """How a process ended, by its exit status, which is negative for a signal as in ``subprocess``.

    Examples:
        >>> ending(3)
        'ended itself, with exit status 3'
        >>> ending(-11)
        'crashed (SIGSEGV)'
    """
    if status is None:
        return "stopped answering"
    named = killer(status)
    if not named:
        return f"ended itself, with exit status {status}"
    if named == "SIGKILL":
        return "was killed (SIGKILL), as happens where memory runs out"
    return f"crashed ({named})" if is_crash(named) else f"was ended by {named}"


def killer(status: int) -> str:
    """The signal that ended a process, or its crash on Windows, by its status; ``""`` for neither.

    Examples:
        >>> killer(-9), killer(0xC0000005), killer(3)
        ('SIGKILL', '0xC0000005', '')
    """
    if status >= 0xC0000000:
        return f"0x{status:X}"
    names = {number.value: number.name for number in signal.Signals}
    return names.get(-status, f"signal {-status}") if status < 0 else ""


def is_crash(named: str) -> bool:
    """Whether what ``killer`` names is what compiled code does, and not what another process sends."""
    crashes = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGSYS", "SIGTRAP")
    return named in crashes or named.startswith("0x")
