"""What a program does when it is run by itself: for failures that must not be ours.

A program is a file of ``examples/programs``, or the text of a script. It may crash, hang or kill its
workers: it runs in a process and a folder of its own, with a time limit. What it said is kept, and nothing
of it stays behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import site
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from spritedocs.errors import shortage
from spritedocs.machine.not_here import NotHere
from spritedocs.machine.outcome import Outcome
from spritedocs.machine.parallelism import usable_cores
from spritedocs.machine.processes import marked

__all__ = ["program", "run_program", "run_programs", "run_script", "run_scripts"]

_PACKAGES = re.compile(r"""[^\s"'(]*[/\\](?:site|dist)-packages(?=[/\\])""")
_PACKAGE = Path(__file__).parents[1]
_LONGEST_FOLDER = 103 - len("/pymp-12345678/listener-12345678")
"""How long the path of a folder may be in which workers have sockets."""


def run_script(
    source: str, *, name: str = "train.py", arguments: tuple[str, ...] = (), limit_s: float = 60.0
) -> Outcome:
    """Run the Python program ``source`` as the file ``name`` in an empty folder that is gone afterwards.

    It finds commands that are installed beside this Python, as in an activated environment. After
    ``limit_s`` seconds, and on any end, every process that it started is ended too.

    Examples:
        >>> outcome = run_script("print('hello'); 1 / 0")
        >>> outcome.status, outcome.error, outcome.text.splitlines()[0]
        (1, 'ZeroDivisionError: division by zero', 'hello')

    Raises ``OSError`` if the temporary folder cannot be written to.
    """
    return _run(source, name, arguments, limit_s, threading.Event())


def run_scripts(sources: Mapping[str, str], *, limit_s: float = 60.0) -> dict[str, Outcome]:
    """Run several programs as ``run_script`` does, as many at once as there are usable cores.

    They start in the order of ``sources``: one that takes long is best put first.

    Examples:
        >>> {name: run.status for name, run in run_scripts({"good": "", "bad": "exit(3)"}).items()}
        {'good': 0, 'bad': 3}
    """
    return _run_all({name: (source, "train.py") for name, source in sources.items()}, limit_s)


def program(name: str) -> Path:
    """The file of the program ``name`` of the examples, such as ``cursed``.

    It is looked for in the folder ``programs`` beside the script that runs, in that below the working
    folder, and then where this package was installed, or in its checkout.

    Raises ``FileNotFoundError`` where it is in none of these.
    """
    script = getattr(sys.modules["__main__"], "__file__", None)
    homes = [*([Path(script).parent] if script else []), Path(), _PACKAGE, _PACKAGE.parents[1] / "examples"]
    for home in homes:
        if (path := home / "programs" / f"{name}.py").is_file():
            return path.resolve()
    raise FileNotFoundError(f"there is no program {name!r}: put it into {Path('programs', name)}.py")


def run_program(name: str, *, arguments: tuple[str, ...] = (), limit_s: float = 60.0) -> Outcome:
    """Run the program ``name`` of the examples as ``run_script`` does.

    Raises ``NotHere`` where nothing can run, as without a temporary folder, and where it outlasts its time;
    and what ``program`` does.
    """
    source = program(name).read_text(encoding="utf-8")
    with _not_here():
        return _in_time(run_script(source, name=f"{name}.py", arguments=arguments, limit_s=limit_s), limit_s)


def run_programs(names: Iterable[str], *, limit_s: float = 60.0) -> dict[str, Outcome]:
    """Run several programs of the examples as ``run_scripts`` does. Raises what ``run_program`` does."""
    jobs = {name: (program(name).read_text(encoding="utf-8"), f"{name}.py") for name in names}
    with _not_here():
        return {name: _in_time(outcome, limit_s) for name, outcome in _run_all(jobs, limit_s).items()}


def _in_time(outcome: Outcome, limit_s: float) -> Outcome:
    if outcome.timed_out:
        raise NotHere(
            f"{outcome.name} took over {limit_s:g} s: end other programs, or give this machine more cores."
        )
    return outcome


@contextlib.contextmanager
def _not_here() -> Iterator[None]:
    """Turns the error of a system where nothing can run into a sentence."""
    try:
        yield
    except OSError as error:
        # Its own text may list folders that are nobody's business.
        why = shortage(error) or (
            f"there is no temporary folder ({os.strerror(error.errno or errno.EIO)}): set TMPDIR (on Windows "
            "TEMP) to a folder with room"
        )
        raise NotHere(f"No program can run here, because {why}.") from None


def _run_all(jobs: Mapping[str, tuple[str, str]], limit_s: float) -> dict[str, Outcome]:
    """Several programs side by side: of each its source, and the name of its file."""
    given_up = threading.Event()
    with ThreadPoolExecutor(usable_cores()) as pool:
        running = {name: pool.submit(_run, *job, (), limit_s, given_up) for name, job in jobs.items()}
        try:
            return {name: future.result() for name, future in running.items()}
        except BaseException:
            # Whoever presses Ctrl-C shall not wait for the rest.
            given_up.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run(
    source: str, name: str, arguments: tuple[str, ...], limit_s: float, given_up: threading.Event
) -> Outcome:
    """``run_script``, which ends the program early when ``given_up`` is set."""
    # A worker may still be writing when its folder goes.
    with tempfile.TemporaryDirectory(prefix="sprite-", ignore_cleanup_errors=True) as made:
        temporary = Path(made).resolve()
        said, folder = temporary / "said", temporary / "run"
        folder.mkdir()
        (folder / name).write_text(source, encoding="utf-8")
        # A script may itself run scripts, whose processes must keep its mark beside their own.
        marker = f"SPRITEDOCS_SCRIPT_{os.getpid()}"
        with said.open("wb") as stream, marked(marker, alone=False) as environment:
            begun = time.perf_counter()
            program = subprocess.Popen(
                # A file to write to: a pipe would stay open for as long as a lost worker lives.
                [sys.executable, name, *arguments],
                cwd=folder,
                env=_environment(environment, made),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
            try:
                status = _status(program, begun + limit_s, given_up)
            finally:
                seconds = time.perf_counter() - begun
                program.kill()
                program.wait()
        text = said.read_bytes().decode("utf-8", errors="replace").replace("\r\n", "\n")
    return Outcome(_shortened(text, folder), status, seconds, name)


def _status(program: subprocess.Popen[bytes], end: float, given_up: threading.Event) -> int | None:
    """The exit status of ``program``, or ``None`` if it runs on at the time ``end`` or is given up."""
    while (left := end - time.perf_counter()) > 0 and not given_up.is_set():
        with contextlib.suppress(subprocess.TimeoutExpired):
            return program.wait(min(left, 0.2))
    return None


def _environment(inherited: dict[str, str], temporary: str) -> dict[str, str]:
    """The environment of a program that prints into a file and may write into ``temporary``."""
    colour = ("FORCE_COLOR", "CLICOLOR_FORCE")  # a notebook's kernel wants it of all that it starts
    environment = {name: value for name, value in inherited.items() if name not in colour}
    environment |= {
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), inherited.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "NO_COLOR": "1",
        "PYTHON_COLORS": "0",
    }
    # A worker that is killed leaves its sockets behind: here they go with the folder.
    if len(os.fsencode(temporary)) <= _LONGEST_FOLDER:
        environment |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary)
    return environment


def _shortened(text: str, folder: Path) -> str:
    """``text`` without the folders of this machine before file names."""
    for root, short in [
        (folder, ""),
        (folder.parent, f"…{os.sep}"),  # temporary files
        *((root, f"…{os.sep}") for root in sorted(_roots(), key=lambda root: len(str(root)), reverse=True)),
    ]:
        # macOS gives /tmp two names, of which the long one holds the other.
        for name in (str(root), str(root).replace("/private/", "/", 1)):
            text = text.replace(name + os.sep, short)
    text = _PACKAGES.sub("…", text)
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() fails for a user without one
    return re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text) if home.strip("~/\\") else text


def _roots() -> set[Path]:
    """The folders that Python, its packages and this one are installed in."""
    folders = [*site.getsitepackages(), site.getusersitepackages(), *sysconfig.get_paths().values()]
    roots = [Path(name) for name in (*folders, sys.prefix, sys.base_prefix)] + [_PACKAGE.parent]
    # "/" and "/usr" come before much that is not Python's.
    return {name for root in roots if len(root.parts) > 2 for name in (root, root.resolve())}
