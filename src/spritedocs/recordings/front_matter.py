"""Front matter: the YAML on top of a page and, commented, on top of an example.

MkDocs takes front matter that it cannot read for prose, and an unknown key for none of its business: either
would switch a page's claims off without a word. Here whatever cannot be used is a fault, in a sentence.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import yaml

__all__ = ["EXAMPLE_KEYS", "PAGE_KEYS", "Header", "parsed", "read_page"]


LONGEST_S = 3600
"""How long any example may be allowed to take: somebody waits for all of them."""


class Key(NamedTuple):
    """What a key of front matter may hold."""

    fits: Callable[[Any], bool]
    otherwise: str
    """What to say of a value that does not fit, after "has"."""


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and not re.search(r"[\x00-\x1f\x7f-\x9f]", value)


def _is_search(value: Any) -> bool:
    kinds = {"exclude": bool, "boost": int | float}
    return isinstance(value, dict) and all(
        key in kinds and isinstance(held, kinds[key]) for key, held in value.items()
    )


_PARTS = ("navigation", "toc", "path", "footer", "feedback", "tags")
_ANY_KEYS = {
    "title": Key(_is_line, "a title that is not a line of text: put it in quotes"),
    "description": Key(_is_line, "a description that is not a line of text: put it in quotes"),
    "claims": Key(lambda value: isinstance(value, list), "claims that are not a list: begin each with '- '"),
}
PAGE_KEYS: Mapping[str, Key] = _ANY_KEYS | {
    "render_macros": Key(
        lambda value: isinstance(value, bool), "a render_macros that is neither true nor false: write one"
    ),
    "hide": Key(
        lambda value: isinstance(value, list) and all(part in _PARTS for part in value),
        f"a hide that is not a list of parts: known are {', '.join(_PARTS)}",
    ),
    "search": Key(_is_search, "a search that cannot be used: write 'exclude: true' or 'boost: 2' below it"),
}
"""What pages may say of themselves."""
EXAMPLE_KEYS: Mapping[str, Key] = _ANY_KEYS | {
    "headline": Key(_is_line, "a headline that is not a line of text: put it in quotes"),
    "group": Key(_is_line, "a group that is not a line of text: put it in quotes"),
    "formerly": Key(
        lambda value: isinstance(value, str) and bool(re.fullmatch(r"[0-9]\w*", value, re.ASCII)),
        "a formerly that is no example's name: write one such as 06_optional_num_workers",
    ),
    "time_limit_s": Key(
        lambda value: type(value) in (int, float) and 0 < value <= LONGEST_S,
        f"a time_limit_s that is not a number of seconds up to {LONGEST_S:,}: write one such as 120",
    ),
}
"""What the header of an example may say."""


class Header(NamedTuple):
    """A page, taken apart."""

    values: dict[str, Any]
    """What its front matter says, without what is at fault."""
    faults: list[str]
    """A clause each, which goes on after the page's name."""
    markdown: str
    """The page without front matter."""
    first_line: int
    """The number of the first line of ``markdown`` in the page, from 1."""


_BLOCK = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)\n*", re.DOTALL | re.MULTILINE)
_QUOTED = re.compile(r"^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\1|\Z)", re.DOTALL | re.MULTILINE)
_KEY = rf"(?:{'|'.join(PAGE_KEYS)}|claim)[ \t]*:"
_LOOKS_LIKE = re.compile(
    rf"\A[\s\ufeff\u200b-\u200f\u2060]*(?:[-\u2010-\u2015\u2212]{{2,}}|\+{{3}}|{_KEY})"
    rf"|^ {{0,3}}-{{2,}}.*\n\s*{_KEY}",
    re.MULTILINE | re.IGNORECASE,
)
"""Dashes, TOML's fence or a known key where prose begins, or anywhere a known key below dashes."""


def read_page(source: str) -> Header:
    """Take the front matter off the text of a page.

    Examples:
        >>> page = read_page("---\\ntitle: Sprites\\nclaim: []\\n---\\n\\n# Sprites\\n")
        >>> page.values, page.markdown, page.first_line
        ({'title': 'Sprites'}, '# Sprites\\n', 6)
        >>> page.faults
        ["has an unknown key 'claim' (line 3): did you mean 'claims'?"]
    """
    block = _BLOCK.match(source)
    if block:
        values, faults = parsed(block[1], PAGE_KEYS, "front matter")
        return Header(values, faults, source[block.end() :], source[: block.end()].count("\n") + 1)
    if re.match(r"---[ \t]*\n", source):
        return Header({}, ["has front matter that is not closed: end it with a line '---'."], source, 1)
    if _LOOKS_LIKE.search(_QUOTED.sub("", source)):
        says = (
            "has what looks like front matter and is none: the first line of the page has to be exactly "
            "'---', and a line '---' has to end it."
        )
        return Header({}, [says], source, 1)
    return Header({}, [], source.lstrip("\n"), len(source) - len(source.lstrip("\n")) + 1)


class _Loader(yaml.SafeLoader):
    """YAML without aliases, of which a few lines can unfold into gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="found an alias", problem_mark=self.peek_event().start_mark)
        return super().compose_node(parent, index)


def parsed(text: str, keys: Mapping[str, Key], what: str) -> tuple[dict[str, Any], list[str]]:
    """What the YAML ``text`` says by its key, and its faults: a clause each, to go on after a file's name.

    ``what`` is what people call it, ``"a header"`` say. Its first line is the file's second.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        found = {} if node is None else loader.construct_document(node)
    except (
        yaml.YAMLError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        ValueError,
    ) as error:
        return {}, [
            f"has {what} that is not YAML ({_problem(error)}): put text with ': ' or '#' in quotes, "
            "and indent with spaces."
        ]
    if not isinstance(found, dict):
        return {}, [f"has {what} that is no mapping: write lines such as 'title: …'."]
    lines = {key.value: key.start_mark.line + 2 for key, _ in node.value} if node else {}
    faults = [
        f"has the key {name!r} twice (lines {first} and {second}): keep one."
        for name, first, second in _repeated(node)
    ]
    for name in [name for name in found if name not in keys]:
        del found[name]
        where = f" (line {lines[str(name)]})" if str(name) in lines else ""
        faults.append(f"has an unknown key {name!r}{where}: {_suggestion(str(name), keys)}")
    for name in [name for name, value in found.items() if not keys[name].fits(value)]:
        del found[name]
        faults.append(f"has {keys[name].otherwise} (line {lines[name]}).")
    return found, faults


def _problem(error: Exception) -> str:
    """What is wrong and on which line of the file."""
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or " ".join(str(error).split()) or type(error).__name__
    return f"line {mark.line + 2}: {said}" if mark else str(said)


def _repeated(node: yaml.Node | None) -> Iterator[tuple[str, int, int]]:
    """Each key that stands twice in one mapping, at any depth, with the lines of both."""
    if isinstance(node, yaml.MappingNode):
        known: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 2
            if (name := str(key.value)) in known:
                yield name, known[name], line
            known[name] = line
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated(value)


def _suggestion(name: str, keys: Mapping[str, Key]) -> str:
    near = difflib.get_close_matches(name.lower(), keys, 1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(keys)}."
