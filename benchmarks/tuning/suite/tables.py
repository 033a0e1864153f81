"""The two tables of `tune_suite`: how the contestants did, and each workload's story."""

from __future__ import annotations

from collections.abc import Sequence

from suite.rivals import TITLES
from suite.scores import AGAIN, GAIN, GOOD, NO_GAIN, TUNE, Outcome, Standing, counted

from spritedocs.model import Settings
from spritedocs.report import Gap, Measurement, Report

NAMES = {TUNE: "spritedocs tune", **TITLES, AGAIN: "the best itself, once more"}


def of_contestants(outcomes: Sequence[Outcome], parts: int = 1, wanted: int | None = None) -> Report:
    """A row for each contestant; and beside it what the tuner said.

    ``parts`` is how often the run was begun or gone on with, ``wanted`` how many workloads there are.
    """
    contestants = dict.fromkeys(name for each in outcomes for name in each.picks)
    gaining = [each for each in outcomes if each.can_gain]
    content = [each for each in outcomes if each.cannot_gain]
    right = counted("named_right", [each.named_right for each in outcomes])
    missed = _part("missed", [each.missed for each in gaining])
    needless = _part("needless", [each.needless for each in content])
    fresh, why = [each for each in outcomes if each.held_out], "No workload of this run is held out."
    seconds = [each.grid.seconds for each in outcomes if each.grid]
    grids: Measurement | Gap = (
        Measurement.of("brute_force_s", seconds, "s")
        if seconds
        else Gap("brute_force_s", "The grid failed on every workload.")
    )
    return Report(
        title="Picks against the best of a brute-force grid",
        columns=[
            "contestant",
            "≥ 97% of the best",
            "surely below",
            "worst",
            "median",
            "no pick",
            "time, of the grid's",
        ],
        rows=[_contestant(name, outcomes) for name in contestants],
        notes=[
            f"{_workloads(len(outcomes), wanted)}. The grid took {sum(seconds):.0f} s in all. "
            "A pick that would not fit into a planted memory limit is no pick; worst and median are of the "
            "picks, and the time is the median of the workloads'. Where there is no GPU, the rule of 4 × "
            "GPUs is given one.",
            f"Surely below: the whole 95% interval lies below {GOOD:.0%}.",
            f"{NAMES[TUNE]} named {right} planted bottlenecks. Where the best is at least {GAIN - 1:.0%} "
            "faster than the present settings, it said that there was nothing to gain, or to change, on "
            f"{_told(missed)}. Where it is less than {NO_GAIN - 1:.0%} faster, it recommended a change, "
            f"other than fewer workers, on {_told(needless)}.",
            _held_out(outcomes),
            _failed(outcomes),
            f"Picks were rated in {_rounds(outcomes)}",
            *([f"The run was made in {parts} parts, by the same code."] * (parts > 1)),
        ],
        more_values=[
            right,
            missed,
            needless,
            grids,
            Measurement.of("workloads", [len(outcomes)], ""),
            Measurement.of("workloads_held_out", [len(fresh)], ""),
            Measurement.of("not_rated", [sum(not each.is_rated for each in outcomes)], ""),
            _part("named_right_held_out", [each.named_right for each in fresh], why),
            _part("good_held_out", [each.is_good for each in fresh], why),
        ],
    )


def _workloads(measured: int, wanted: int | None) -> str:
    if wanted in (measured, None):
        return f"{measured} workloads"
    return f"{measured} of the {wanted} workloads, drawn at random: as many as there was time for"


def _held_out(outcomes: Sequence[Outcome]) -> str:
    def told(some: Sequence[Outcome]) -> str:
        right, good = sum(each.named_right for each in some), sum(each.is_good for each in some)
        return f"it named {right} of {len(some)} right, and {good} of {len(some)} picks are ≥ {GOOD:.0%}"

    fresh = [each for each in outcomes if each.held_out]
    known = [each for each in outcomes if not each.held_out]
    said = (
        f"Held out are {len(fresh)}, of kinds as the others, with costs drawn from a seed: {told(fresh)}. "
        if fresh
        else ""
    )
    if not known:
        return said.strip()
    return (
        f"{said}On the other {len(known)} the thresholds of its diagnosis were developed: {told(known)}. "
        "Some of what was planted in these was named by somebody who had read the code of the diagnosis."
    )


def _failed(outcomes: Sequence[Outcome]) -> str:
    failures = [f"{each.name}, {failure}" for each in outcomes for failure in each.failures]
    unrated = [each.name for each in outcomes if not each.is_rated]
    if not failures:
        return "Nothing failed."
    said = f"What failed, in all {len(failures)}: {'; '.join(failures)}."
    if unrated:
        said += f" Not rated, as if nobody had a pick, are {len(unrated)}: {', '.join(unrated)}."
    return said


def _rounds(outcomes: Sequence[Outcome]) -> str:
    rated = [each for each in outcomes if each.is_rated]
    rounds = sum(len(next(iter(each.ratios.values())).samples) for each in rated)
    known = [each.disturbed for each in rated if each.disturbed is not None]
    if len(known) == len(rated):
        return f"{rounds} rounds. Other programs disturbed {sum(known)} of them."
    return f"{rounds} rounds. Whether other programs disturbed them is not known here."


def _part(
    name: str,
    answers: Sequence[bool],
    reason: str = "No workload is of the kind on which this could happen.",
) -> Measurement | Gap:
    return counted(name, answers) if answers else Gap(name, reason)


def _told(part: Measurement | Gap) -> str:
    return str(part) if isinstance(part, Measurement) else "none, as there were none"


def of_workloads(outcomes: Sequence[Outcome]) -> Report:
    """A row for each workload: what was planted, what the tuner said, and what its pick is worth."""
    return Report(
        title=f"What {NAMES[TUNE]} says of each workload",
        columns=[
            "workload",
            "planted",
            "said",
            "present",
            "best",
            "pick",
            "best, over present",
            "pick, over best",
            "seconds",
        ],
        rows=[_workload(each) for each in outcomes],
        notes=[
            "Settings are workers × prefetch_factor; + for persistent workers. The best is that of the grid.",
            "Over: throughput over throughput, of new loaders in turns. Exactly 1× are the same settings.",
        ],
    )


def _contestant(slug: str, outcomes: Sequence[Outcome]) -> list[Measurement | Gap | str]:
    title = NAMES[slug]
    try:
        return [title, *Standing.of(slug, outcomes)]
    except ValueError:
        reason = f"{title} has no pick that is rated."
        return [title, *(Gap(f"{what}_{slug}", reason) for what in Standing._fields)]


def _workload(each: Outcome) -> list[Measurement | Gap | str]:
    pick, slug = each.pick(TUNE), each.name.replace("-", "_")
    score = each.score(TUNE)
    gain = each.ratios.get(each.present)
    unrated = f"{each.name} is not rated: {'; '.join(each.failures)}."
    return [
        each.name,
        " or ".join(each.planted),
        pick.says,
        settings_text(each.present),
        settings_text(each.grid.best) if each.grid else "not known",
        "none" if pick.settings is None else settings_text(pick.settings),
        Measurement.of(f"gain_{slug}", [1 / sample for sample in gain.samples], "×")
        if gain
        else Gap(f"gain_{slug}", unrated),
        Measurement.of(f"score_{slug}", score.samples, "×")
        if score
        else Gap(f"score_{slug}", f"{each.name}: {pick.says}, and no pick that fits." if gain else unrated),
        Measurement.of(f"seconds_{slug}", [pick.seconds], "s"),
    ]


def settings_text(settings: Settings) -> str:
    """Settings as a table shows them.

    Examples:
        >>> settings_text(Settings()), settings_text(Settings(4, 2)), settings_text(Settings(4, 8, True))
        ('0', '4×2', '4×8 +')
    """
    if not settings.num_workers:
        return "0"
    return f"{settings.num_workers}×{settings.prefetch_factor}{' +' * settings.persistent_workers}"
