"""What is imported when: who only asks for help, reads recordings or prints a table waits for no torch."""

from __future__ import annotations

import json
import subprocess
import sys

DRAWING = {"torch", "matplotlib", "IPython"}
HEAVY = {*DRAWING, "numpy", "nbclient", "nbformat", "rich"}
STEPS = {
    "pages are built": "import spritedocs.site.plugin",
    "cores are counted": "import spritedocs.machine as m; m.usable_cores()",
    "a report is printed": "import spritedocs.report",
    "a timeline is drawn": "import spritedocs.timeline.lanes",
    "a script is watched": "from spritedocs.watching import environment; environment({})",
    "recordings are compared": "import spritedocs.cli.terminal",
    "help is asked for": """\
from click.testing import CliRunner
from spritedocs.cli.commands import cli
for command, said in {"": "doctor", "tune": "--memory-limit SIZE", "doctor": "--quick"}.items():
    answer = CliRunner().invoke(cli, [*command.split(), "--help"])
    assert (answer.exit_code, said in answer.output) == (0, True), answer.output
""",
}
ONE_AFTER_THE_OTHER = """\
import json, sys
steps, heavy = map(json.loads, sys.argv[1:])
found = {}
for name, code in steps.items():
    exec(code, {})
    found[name] = [each for each in heavy if each in sys.modules]
print(json.dumps(found))
"""


def test_what_does_not_need_torch_does_not_import_it() -> None:
    """One process takes all steps: what one of them imports would be seen in those after it as well."""
    command = [sys.executable, "-c", ONE_AFTER_THE_OTHER, json.dumps(STEPS), json.dumps(sorted(HEAVY))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["pages are built"] == []
    assert {name: modules for name, modules in found.items() if DRAWING & {*modules}} == {}
    assert found.keys() == STEPS.keys()
