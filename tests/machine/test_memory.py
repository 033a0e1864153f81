"""Memory of processes, against memory that the tests take themselves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from torch.utils.data import DataLoader

from spritedocs.machine import MemoryUse, memory, memory_of, memory_of_tree, total_mb, worker_pids
from spritedocs.timing import dismiss

MB = 1_000_000
ON_LINUX = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").is_file(), reason="reads smaps_rollup")
# Says a line when it has done what it was told, and stays until its standard input ends.
CHILD = "import sys, mmap; {} ; print('ready', flush=True); sys.stdin.read()"
FORKING = """
import os, sys
block = bytearray(b"x") * 40_000_000
inward, outward = os.pipe()
go_inward, go_outward = os.pipe()
child = os.fork()
if not child:
    os.close(go_outward)
    os.write(outward, b"1")
    os.read(go_inward, 1)
    {deed}
    os.write(outward, b"2")
    os.read(go_inward, 1)
    os._exit(0)
os.read(inward, 1)
print(child, flush=True)
for line in sys.stdin:
    os.write(go_outward, b"g")
    if line == "act\\n":
        os.read(inward, 1)
        print("done", flush=True)
os.close(go_outward)
os.waitpid(child, 0)
"""

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python on a source; ends by the end of the test."""
    children: list[subprocess.Popen[str]] = []

    def begin(source: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        children.append(child)
        return child

    yield begin
    for child in children:
        child.communicate(timeout=30)


def ready(child: subprocess.Popen[str]) -> int:
    """Waits until ``child`` has said a line; its process number."""
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child.pid


def uss(pid: int) -> float:
    found = memory_of(pid).uss_mb
    assert found is not None
    return found


@ON_LINUX
def test_what_a_process_takes_shows_in_all_three_figures(start: Start) -> None:
    """In a process of its own: here shared pages may become private while another test's child ends."""
    child = start(
        CHILD.format("print('ready', flush=True); sys.stdin.readline(); block = bytearray(b'x') * 50_000_000")
    )
    before = memory_of(ready(child))
    print(file=child.stdin, flush=True)
    after = memory_of(ready(child))
    assert before.uss_mb
    assert before.pss_mb
    assert after.uss_mb
    assert after.pss_mb
    # The interpreter's own pages may be shared with others, which come and go: these are few.
    assert after.uss_mb - before.uss_mb == pytest.approx(50, abs=10)
    assert after.pss_mb - before.pss_mb == pytest.approx(50, abs=10)
    assert after.rss_mb - before.rss_mb == pytest.approx(50, abs=5)
    assert after.pid == child.pid
    assert memory_of().pid == os.getpid()


def _forked(start: Start, deed: str) -> tuple[MemoryUse, MemoryUse]:
    """A forked child before and after it does something with the 40 MB of its parent."""
    parent = start(FORKING.format(deed=deed))
    assert parent.stdin is not None
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    before = memory_of(child)
    print("act", file=parent.stdin, flush=True)
    assert parent.stdout.readline() == "done\n"
    after = memory_of(child)
    print("leave", file=parent.stdin, flush=True)
    return before, after


@ON_LINUX
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize(
    ("deed", "copied_mb"), [("sum(block[::4096])", 0), ("block[::4096] = bytes(9766)", 40)]
)
def test_a_forked_process_copies_what_it_writes_to_and_rss_does_not_tell(
    start: Start, deed: str, copied_mb: float
) -> None:
    before, after = _forked(start, deed)
    assert before.uss_mb is not None
    assert after.uss_mb is not None
    assert after.uss_mb - before.uss_mb == pytest.approx(copied_mb, abs=4)
    assert after.rss_mb - before.rss_mb == pytest.approx(0, abs=4)


@ON_LINUX
def test_a_shared_page_counts_as_private_while_one_process_alone_has_mapped_it(
    start: Start, tmp_path: Path
) -> None:
    """In processes of their own, as this one shares torch's pages with whoever has it just now."""
    path = tmp_path / "packed.bin"
    path.write_bytes(bytes(20 * MB))
    reading = f"f = open({str(path)!r}, 'rb'); m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ); "
    reading += "sum(m[::4096])"
    ready(start(CHILD.format("pass")))  # or the interpreter's pages would be shared from the last child on
    first = start(CHILD.format(f"print('ready', flush=True); sys.stdin.readline(); {reading}"))
    begun = uss(ready(first))
    print(file=first.stdin, flush=True)
    alone = uss(ready(first)) - begun
    ready(start(CHILD.format(reading)))
    together = uss(first.pid) - begun
    assert alone == pytest.approx(20, abs=3)
    assert together == pytest.approx(0, abs=3)


def test_a_process_that_does_not_exist_is_named() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    for read in (memory_of, memory_of_tree):
        with pytest.raises(ProcessLookupError, match=f"no process {done.pid}: its memory cannot be read"):
            read(done.pid)


@ON_LINUX
def test_a_process_that_has_ended_and_was_not_waited_for_has_no_memory() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert done.stdout is not None
    with done.stdout:
        assert done.stdout.read() == b""
    while psutil.Process(done.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    try:
        with pytest.raises(ProcessLookupError, match="has ended"):
            memory_of(done.pid)
    finally:
        done.wait()


def test_a_tree_is_the_process_and_all_its_descendants(start: Start) -> None:
    grandchild = (
        "import subprocess; c = 'import sys; print(flush=True); sys.stdin.read()'; p = subprocess.Popen("
        "[sys.executable, '-c', c], stdin=subprocess.PIPE, stdout=subprocess.PIPE); p.stdout.readline()"
    )
    child = ready(start(CHILD.format(grandchild)))
    tree = memory_of_tree()
    (below,) = psutil.Process(child).children()
    assert tree[0].pid == os.getpid()
    assert {child, below.pid} <= {use.pid for use in tree}
    assert [use.pid for use in memory_of_tree(child)] == [child, below.pid]


def test_a_descendant_that_ends_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = SimpleNamespace(pid=2**22 + 1)  # above the largest process number there is
    monkeypatch.setattr(psutil.Process, "children", lambda self, recursive: [gone])
    assert [use.pid for use in memory_of_tree()] == [os.getpid()]


def test_the_total_is_the_sum_of_the_shares() -> None:
    uses = [MemoryUse(1, 90.0, 20.0, 50.0), MemoryUse(2, 90.0, 10.0, 40.0)]
    assert total_mb(uses) == 90
    assert total_mb([]) == 0
    assert total_mb([*uses, MemoryUse(3, 90.0, 10.0, None)]) is None


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (MemoryUse(1, 9.0, 2.0, 5.0), ""),
        (
            MemoryUse(1, 9.0, 2.0, None),
            "PSS of a process cannot be read here: this system does not report it",
        ),
        (MemoryUse(1, 9.0, None, None), "USS and PSS of a process cannot be read here: .*smaps_rollup"),
    ],
)
def test_a_sentence_says_what_could_not_be_read(use: MemoryUse, said: str) -> None:
    assert re.match(said, use.missing)
    assert bool(use.missing) == bool(said)


@pytest.mark.parametrize("error", [psutil.AccessDenied(1), OSError(), NotImplementedError()])
def test_what_may_not_be_read_is_none_and_rss_remains(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(self: psutil.Process) -> None:
        raise error

    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)
    use = memory_of()
    assert (use.uss_mb, use.pss_mb) == (None, None)
    assert use.rss_mb > 0


@pytest.mark.parametrize(
    ("full", "found"),
    [
        (SimpleNamespace(uss=3 * MB, pss=4 * MB), (3.0, 4.0)),
        (SimpleNamespace(uss=3 * MB), (3.0, None)),  # macOS and Windows
        (SimpleNamespace(), (None, None)),
        (SimpleNamespace(uss=0, pss=0), (None, None)),  # a sandbox whose file is empty
    ],
)
def test_what_a_system_does_not_report_is_none(
    monkeypatch: pytest.MonkeyPatch, full: Any, found: tuple[float | None, float | None]
) -> None:
    monkeypatch.setattr(psutil.Process, "memory_full_info", lambda self: full)
    use = memory_of()
    assert (use.uss_mb, use.pss_mb) == found


def test_workers_are_known_by_their_number() -> None:
    loader = DataLoader(range(8), batch_size=2, num_workers=2, persistent_workers=True)  # type: ignore[arg-type]
    try:
        assert worker_pids(loader) == ()  # not started yet
        iterator = iter(loader)
        pids = worker_pids(iterator)
        list(iterator)
        assert worker_pids(loader) == pids
        assert len(set(pids)) == 2
        assert {use.pid for use in memory_of_tree()} >= set(pids)
        assert all(memory_of(pid).rss_mb > 0 for pid in pids)
    finally:
        dismiss(loader)


def test_without_workers_there_are_none() -> None:
    loader = DataLoader(range(4))  # type: ignore[arg-type]
    assert worker_pids(iter(loader)) == ()
    assert worker_pids([1, 2]) == ()


def test_all_that_is_public_is_documented() -> None:
    assert all(getattr(memory, name).__doc__ for name in memory.__all__)
