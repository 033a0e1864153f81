"""A page calls our macros with plain values, and can say nothing else."""

from __future__ import annotations

import pytest

from spritedocs.site.macro_calls import MISSING, rendered


def quoted(example: str, name: str = "all", interval: bool = False) -> str:
    return f"[{example} {name} {interval}]"


MACROS = {"quoted": quoted}


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("{{ quoted('a', \"b\", interval=true) }}", "[a b True]"),
        ("a {{- quoted(-1) -}} b{# a remark #}", "a[-1 all False]b"),
        ("{% raw %}{{ quoted('a') }}{% endraw %}", "{{ quoted('a') }}"),
        ("`{ #anchor }` and {braces}", "`{ #anchor }` and {braces}"),
    ],
)
def test_what_a_page_may_say(page: str, shown: str) -> None:
    assert rendered(page, MACROS) == (shown, [])


@pytest.mark.parametrize(
    "attempt",
    [
        '{{ lipsum.__globals__["os"].popen("id").read() }}',
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ quoted.__globals__ }}",
        "{{ quoted.__self__._plugin }}",
        "{{ quoted.__call__('a') }}",
        "{{ quoted|attr('__globals__') }}",
        "{{ quoted('a')|upper }}",
        "{{ quoted('a').format() }}",
        "{{ quoted('a' ~ 'b') }}",
        "{{ quoted(lipsum) }}",
        "{{ quoted(quoted('a')) }}",
        "{{ quoted(*'ab') }}",
        "{{ quoted(**{}) }}",
        "{{ quoted(-'a') }}",
        "{{ config }}",
        "{{ macros }}",
        "{{ page.file.abs_src_path }}",
        "{{ self }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ [] }}",
        "{{ 'text' }}",
        '{% include "/etc/passwd" %}',
        '{% import "mkdocs.yml" as it %}',
        '{% from "mkdocs.yml" import it %}',
        '{% extends "main.html" %}',
        "{% set it = 1 %}",
        "{% for it in range(10 ** 9) %}x{% endfor %}",
        "{% if true %}x{% endif %}",
        "{% macro it() %}x{% endmacro %}",
        "{% call quoted('a') %}x{% endcall %}",
        "{% filter upper %}x{% endfilter %}",
        "{% block it %}x{% endblock %}",
        "{% with %}x{% endwith %}",
    ],
)
def test_whatever_else_a_page_says_is_a_fault_with_its_line(attempt: str) -> None:
    shown, [fault] = rendered(f"One.\n\n{attempt} {{{{ quoted('a') }}}}", MACROS, first_line=7)
    assert shown == f"One.\n\n{MISSING} [a all False]"
    assert fault.startswith("line 9: a page can only call macros with plain values; ")


@pytest.mark.parametrize(
    ("attempt", "fault"),
    [
        ("{{ cycler() }}", "there is no macro 'cycler': known are quoted."),
        ("{{ quoted() }}", "quoted cannot be called so: quoted() missing 1 required positional argument: "),
        ("{{ quoted('a', size=2) }}", "quoted cannot be called so: quoted() got an unexpected keyword "),
        ("{{ quoted('a' }}", "a macro cannot be read: unexpected '}', expected ')'."),
        ("{{ quoted('a')", "a macro cannot be read: unexpected end of template"),
        ("{% goblin %}", "a macro cannot be read: Encountered unknown tag 'goblin'."),
    ],
)
def test_a_call_that_cannot_be_made_is_a_fault_that_says_why(attempt: str, fault: str) -> None:
    [found] = rendered(attempt, MACROS)[1]
    assert found.startswith(f"line 1: {fault}")


def test_a_tag_that_jinja_gives_no_line_is_refused_as_well() -> None:
    assert rendered("{% autoescape true %}{{ quoted('a') }}{% endautoescape %}", MACROS)[0] == MISSING


def test_parentheses_without_end_are_a_fault() -> None:
    assert rendered("{{ " + "(" * 5000 + ")" * 5000 + " }}", MACROS)[1] == [
        "its macros are nested too deeply: call them with plain values."
    ]
