"""What is said of a watched loader: a line after each epoch, what to try next, a table at the end."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Mapping, Sequence

from spritedocs.guide import how_to_open, whole
from spritedocs.watching.epochs import ENOUGH, Epoch

__all__ = [
    "crowd",
    "of_ranks",
    "replay_begins",
    "say",
    "silence",
    "summary",
    "table",
    "table_of_ranks",
    "verdict",
]

_FIX = "fix-a-slow-run/"
_NEAR = 0.75
"""With so many helpers for each usable core another one is no great step any more."""


def say(text: str) -> None:
    """Print ``text`` on standard error, above the bars of tqdm, if there are any.

    A training script's standard output may be its result. Where nobody listens, nothing is said.
    """
    if sys.stderr is None:  # tqdm would take standard output in its place
        return
    try:
        tqdm = sys.modules.get("tqdm")
        # torch imports it too, and its first lock settles the start method: not where there is no bar.
        if tqdm is not None and tqdm.tqdm._instances:
            tqdm.tqdm.write(f"{text}\n", file=sys.stderr, end="")  # in one piece, for several ranks
        else:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
    except Exception:  # noqa: BLE001 - a closed pipe, no console: no reason to stop a training
        return


def summary(epoch: Epoch, minor: float | None = None) -> str:
    """The line after an epoch; ``minor`` is what part of the run its waits are, where the loader is minor."""
    ending = f" ({_ending(epoch)})" if epoch.ended != "done" else ""
    about = f"epoch {epoch.number}{ending}: {_digits(epoch.seconds)} s"
    if not epoch.batches:
        return f"{about}, no batch"
    about += f", {_digits(epoch.items_per_s)} items/s, first batch after {_digits(epoch.first_s)} s"
    if (free_s := epoch.free_batch_s) is not None:
        return (
            f"{about}; with loading for free an epoch of {_digits(free_s * epoch.batches)} s, "
            f"each batch {_times(epoch.real_batch_s / free_s if free_s else math.inf)} as fast"
        )
    if epoch.batches < 2 or epoch.kept:
        return about
    idle = "" if epoch.idle_share is None else f", the GPU idle {epoch.idle_share:.0%}"
    end = f", at the end {_digits(epoch.end_s)} s" if epoch.end_s > ENOUGH * epoch.seconds else ""
    if minor is None:
        gain = f"without waiting {'about ' * (epoch.at_most < 100)}{_times(epoch.at_most)} as fast"
    else:
        gain = f"its waits take {f'{minor:.0%}' if minor >= 0.01 else 'under 1%'} of the run"
    return f"{about}, then waited {epoch.wait_share:.0%}{idle}{end}; {gain}"


def of_ranks(epochs: Sequence[Epoch]) -> str:
    """The line after an epoch that each rank has ended; ``epochs`` has theirs, in the order of the ranks."""
    waited = [epoch.lost_share for epoch in epochs]
    least, most = waited.index(min(waited)), waited.index(max(waited))
    batches = [epoch.batches for epoch in epochs]
    uneven = f", {min(batches)} to {max(batches)} batches" if len({*batches}) > 1 else ""
    seconds = max(epoch.seconds for epoch in epochs)
    rate = sum(epoch.items for epoch in epochs) / seconds if seconds else math.inf
    about = f"epoch {epochs[0].number} on {len(epochs)} ranks: {_digits(seconds)} s{uneven}"
    first_s = max(epoch.first_s for epoch in epochs)
    about += f", {_digits(rate)} items/s, first batch after {_digits(first_s)} s, then"
    if waited[most] - waited[least] < ENOUGH:
        return f"{about} waited {waited[least]:.0%} to {waited[most]:.0%}"
    return (
        f"{about} waited {waited[least]:.0%} (rank {least}) to {waited[most]:.0%} (rank {most}): "
        f"ranks that share gradients wait for rank {most}"
    )


def verdict(epoch: Epoch, to_synchronise: str, cores: int, ranks: int = 1) -> str:
    """What ``epoch`` means, and what to try next; empty if it says nothing.

    ``to_synchronise`` is what the reader types to have each step waited for. So many ``cores`` are usable,
    for each of ``ranks``. No more is said of them: what they allow depends on whether an item waits or
    computes, which ``tune`` measures, and an epoch does not show.
    """
    if epoch.kept:
        return "That epoch trained on the same few batches. It must not count: start the training anew."
    if epoch.batches < 2:
        return ""
    if epoch.lost_share >= ENOUGH and epoch.unseen:
        return (
            f"Waits over 5%: for the loader, or for steps on {epoch.unseen} that end meanwhile. "
            f"{to_synchronise} tells them apart, and slows training down. "
            f"{_page('in-your-own-loop/')}"
        )
    if epoch.lost_share >= ENOUGH:
        return (
            "Waits over 5%: the loader holds it up. What could be gained is an estimate, for steps that "
            f"keep their length. {_next_step(epoch.workers, cores, ranks)}"
        )
    if epoch.number > 1 and epoch.workers and epoch.first_s + epoch.end_s > ENOUGH * epoch.seconds:
        remedy = (
            "The helpers stay: look at large first batches, the sampler, a stream that starts over."
            if epoch.persistent
            else "Try persistent_workers=True."
        )
        return f"There is a pause between epochs. {remedy} {_page(f'{_FIX}#pause')}"
    return (
        "Waits under 5%: it is not the loader. To be faster, look at the step, and for .item(), print "
        f"and logging in it. {_page(_FIX)}"
    )


def _next_step(workers: int | None, cores: int, ranks: int) -> str:
    """What to try where a loader holds training up."""
    if workers is None:
        return f"Try 'spritedocs tune'. {_page(_FIX)}"
    usable = f"{cores} usable core{'s' * (cores != 1)}{' of each rank' * (ranks > 1)}"
    beyond = "pay only where items mostly wait"
    if workers >= _NEAR * cores:
        helpers = f"{workers} helper{'s' * (workers != 1)}"
        return (
            f"The loader has {helpers} for the {usable}: make items cheaper next. More helpers {beyond}, "
            f"which 'spritedocs tune' finds out. {_page('in-depth/slow-disks/')}"
        )
    if workers:
        numbers = f"num_workers up to {cores}"
    else:
        numbers = "num_workers=2, then 4" if cores >= 4 else f"num_workers={min(2, cores)}"
    return f"Try {numbers}, or 'spritedocs tune'. More helpers than the {usable} {beyond}. {_page(_FIX)}"


def replay_begins(keep: int) -> str:
    """The warning before ``keep`` batches are handed out again."""
    return f"From here on the same {keep} batches, from memory. This epoch must not count as training."


def silence(lines: int, short_s: float) -> str:
    """Why there are no more lines after so many."""
    return (
        f"{lines} epochs have had their lines. From now on those below {short_s:g} s have none: "
        "the table at the end has the last ones."
    )


def crowd(workers: Sequence[tuple[str, int]], cores: int, ranks: int = 1) -> str:
    """What to do about more workers than ``cores``.

    ``workers`` has the names of this process's loaders, and how many each has; ``ranks`` on this machine
    have as many.
    """
    named = ", ".join(f"{name} {count}" for name, count in workers) + f", on each of {ranks} ranks" * (
        ranks > 1
    )
    total = sum(count for _, count in workers) * ranks
    return (
        f"{total} workers are alive at the same time ({named}), on {cores} usable core{'s' * (cores != 1)}. "
        "If they compute at the same time, take fewer, or let those of one loader end with its epoch: "
        f"persistent_workers=False. {_page('in-depth/the-right-number/#usable-cores')}"
    )


def table(epochs: Sequence[Epoch]) -> str:
    """A row for each epoch."""
    rows = [
        ["epoch", "seconds", "items/s", "first batch, s", "waited", "GPU waited", "times, about", "ended"]
    ]
    for epoch in epochs:
        is_telling = epoch.batches > 1 and not epoch.kept
        rows.append(
            [
                str(epoch.number),
                *(_digits(value) for value in (epoch.seconds, epoch.items_per_s, epoch.first_s)),
                f"{epoch.wait_share:.0%}" if is_telling else "",
                f"{epoch.idle_share:.0%}" if is_telling and epoch.idle_share is not None else "",
                _times(epoch.at_most).removesuffix(" times") if is_telling else "",
                "batches from memory: no training" if epoch.kept else _ending(epoch),
            ]
        )
    return _aligned(rows)


def table_of_ranks(epochs: Sequence[Mapping[int, Epoch]]) -> str:
    """A row for each epoch, which is given by rank."""
    rows = [["epoch", "ranks", "seconds", "items/s", "first batch, s", "waited least", "most", "on rank"]]
    for ranks in filter(None, epochs):
        seconds = max(epoch.seconds for epoch in ranks.values())
        rate = sum(epoch.items for epoch in ranks.values()) / seconds if seconds else math.inf
        waited = {rank: epoch.lost_share for rank, epoch in ranks.items()}
        most = max(waited, key=waited.__getitem__)
        shares = [f"{share:.0%}" for share in (min(waited.values()), waited[most])]
        first_s = max(epoch.first_s for epoch in ranks.values())
        figures = map(_digits, (seconds, rate, first_s))
        rows.append([str(ranks[most].number), str(len(ranks)), *figures, *shares, str(most)])
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    told = [column for column in zip(*rows, strict=True) if any(column[1:])]
    aligned = [[cell.rjust(max(map(len, column))) for cell in column] for column in told]
    return "\n".join("  ".join(row) for row in zip(*aligned, strict=True))


def _ending(epoch: Epoch) -> str:
    how = epoch.ended if epoch.ended in ("done", "left") else f"ended by {epoch.ended}"
    return f"{how} after {epoch.batches} batch{'es' * (epoch.batches != 1)}"


@functools.cache  # each epoch has its verdict, and to ask where pages are reads files
def _page(page: str) -> str:
    return f"See {whole(page)}{f'. {hint}' if (hint := how_to_open()) else ''}"


def _times(factor: float) -> str:
    return f"{_digits(factor, 2)} times" if factor < 100 else "over 100 times"


def _digits(value: float, count: int = 3) -> str:
    """``value`` with ``count`` digits, and all those before the point.

    Examples:
        >>> _digits(1234.5), _digits(12.345), _digits(0.012345), _digits(1.0, 2)
        ('1,234', '12.3', '0.0123', '1.0')
    """
    if not math.isfinite(value) or not value:
        return f"{value:g}"
    return f"{value:,.{max(0, count - 1 - math.floor(math.log10(abs(value))))}f}"
