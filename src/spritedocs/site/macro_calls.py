"""Macros in pages. A page is parsed as a Jinja template, and never run as one.

A Jinja template is a program: it can include files and reach whatever its objects lead to. A page needs
nothing but calls of our macros with plain values, so that is all it can say; anything else is a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes

__all__ = ["MISSING", "rendered"]

MISSING = "**?**"
"""What a page shows in place of what it cannot have."""


_ONLY = "a page can only call macros with plain values; what stands in {% raw %} … {% endraw %} is text"


class _Refused(ValueError):
    """One call cannot be made. A clause says why."""


def rendered(
    markdown: str, macros: Mapping[str, Callable[..., str]], first_line: int = 1
) -> tuple[str, list[str]]:
    """The page ``markdown`` with what the macros say in place of their calls, and its faults.

    Each fault is a sentence that begins with the number of its line; ``first_line`` is that of the first.

    Examples:
        >>> rendered("{{ add(1, b=2) }}{# a remark #}", {"add": lambda a, b: str(a + b)})
        ('3', [])
        >>> rendered("{{ add.__globals__ }}", {"add": lambda a, b: str(a + b)})[1][0][:53]
        'line 1: a page can only call macros with plain values'
    """
    try:
        body = Environment().parse(markdown).body
    except TemplateSyntaxError as error:
        problem = f"{error.message}".rstrip(".")
        return markdown, [f"line {error.lineno + first_line - 1}: a macro cannot be read: {problem}."]
    except RecursionError:
        return markdown, ["its macros are nested too deeply: call them with plain values."]
    parts, faults = [], []
    for node in _pieces(body):
        if isinstance(node, nodes.TemplateData):
            parts.append(node.data)
            continue
        try:
            parts.append(_called(node, macros))
        except _Refused as error:
            parts.append(MISSING)
            faults.append(f"line {(node.lineno or 1) + first_line - 1}: {error}.")
    return "".join(parts), faults


def _pieces(body: list[nodes.Node]) -> Iterator[nodes.Node]:
    for node in body:
        yield from node.nodes if isinstance(node, nodes.Output) else (node,)


def _called(node: nodes.Node, macros: Mapping[str, Callable[..., str]]) -> str:
    if not isinstance(node, nodes.Call) or not isinstance(node.node, nodes.Name):
        raise _Refused(_ONLY)
    if node.dyn_args or node.dyn_kwargs:
        raise _Refused(_ONLY)
    name = node.node.name
    if name not in macros:
        raise _Refused(f"there is no macro {name!r}: known are {', '.join(macros)}")
    arguments = [_plain(argument) for argument in node.args]
    named = {keyword.key: _plain(keyword.value) for keyword in node.kwargs}
    try:
        return macros[name](*arguments, **named)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise _Refused(f"{name} cannot be called so: {error}") from None


def _plain(node: nodes.Node) -> Any:
    if isinstance(node, nodes.Const):
        return node.value
    if isinstance(node, nodes.Neg) and isinstance(node.node, nodes.Const):
        number = node.node.value
        if isinstance(number, int | float):
            return -number
    raise _Refused(_ONLY)
