"""Simulate how often each test is significant without a true difference, and how often with one.

The script writes ERROR_RATES.md beside this file. By default it takes about ten minutes of one core.
Standard errors of half a point need ``--repetitions 2000`` and an hour.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tabulate import tabulate

from lrbench.stats.best import tied_with_best
from lrbench.stats.contrast import Contrast
from lrbench.stats.crossed import crossed
from lrbench.stats.depth import depth_contrast
from lrbench.stats.equivalence import equivalence
from lrbench.stats.multiplicity import holm
from lrbench.stats.power import minimum_detectable
from lrbench.stats.seeds import welch_seeds
from lrbench.stats.simulation import NOISES, Noise, simulate_models, simulate_shared_stage
from lrbench.stats.user_metrics import UserMetrics
from lrbench.stats.users import paired_users

ALPHA = 0.05
SEEDS = ((3, 3), (5, 5), (10, 10), (3, 5), (3, 0), (5, 0), (10, 0))
LARGE = 20_000
"""With this many users or more there are half as many repetitions.

With ten seeds there are then a third as many, and only for the kinds of noise in ``TEN_SEEDS``.
"""

TEN_SEEDS = ("runs ± 2 %", "runs ± 5 %")

MIDDLE = NOISES[1]
Rows = list[list[str]]


def main() -> None:
    """Run the simulations and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--users", type=int, nargs="+", default=[1400, 6000, 22_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("ERROR_RATES.md"))
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    parts = [
        "# Simulated error rates",
        f"`nox -s simulate -- --repetitions {options.repetitions} --seed {options.seed}` made this page. "
        f"A cell has {options.repetitions} repetitions. With {LARGE:,} users or more it has half as many, "
        "and a third if ten seeds are among them. "
        "A rate of 5 % has a standard error of "
        f"{100 * math.sqrt(0.05 * 0.95 / options.repetitions):.1f} points. All tests are two-sided at 5 %. "
        "`lrbench/stats/simulation.py` describes how the ranks are made.",
        "## False positives of two equal models, %",
        'The columns "3 v 3" and so on give the crossed test by the number of seeds of each model '
        "(det.: a deterministic model). The last two columns give two other tests with 5 v 5 seeds: "
        "the paired t test over users and Welch's test over seeds.",
        _table(["noise", "users", *map(_seeds, SEEDS), "users t", "Welch"], _levels(options, generator)),
        "## Runs that share a trained stage",
        "Two labels share 90 % of the variance of luck and noise. Power is the share of repetitions "
        "that find a true difference of about 6 %. Reports pair such runs. "
        "If the test took them for independent runs, it would find almost nothing.",
        _table(["seeds", "users", "test", "false positives, %", "power, %"], _shared(options, generator)),
        "## Families, groups, depths, equivalence",
        _table(["what", "setting", "rate, %", "expected, %"], _others(options, generator)),
    ]
    options.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _table(headings: Sequence[str], rows: Iterator[list[str]] | Rows) -> str:
    return tabulate(list(rows), headers=headings, tablefmt="pipe", disable_numparse=True)


def _seeds(pair: tuple[int, int]) -> str:
    return f"{pair[0]} v {pair[1] or 'det.'}"


def _levels(options: argparse.Namespace, generator: np.random.Generator) -> Iterator[list[str]]:
    for noise in NOISES:
        for users in options.users:
            cells = [noise.name, f"{users:,}"]
            beside: list[str] = []
            for pair in SEEDS:
                long = users >= LARGE and 10 in pair
                if (noise.collapse and 0 in pair) or (long and noise.name not in TEN_SEEDS):
                    cells.append("–")
                    continue
                tests = (_crossed, _users, _welch) if pair == (5, 5) else (_crossed,)
                repetitions = options.repetitions // (3 if long else 2 if users >= LARGE else 1)
                numbers = generator.spawn(1)[0] if long else generator  # leaves the other cells as they were
                rates = _rates(tests, noise, users, pair, repetitions, numbers)
                cells.append(_percent(rates[0]))
                beside += map(_percent, rates[1:])
            yield [*cells, *beside]


def _crossed(first: UserMetrics, second: UserMetrics) -> float:
    return crossed(first, second).p


def _users(first: UserMetrics, second: UserMetrics) -> float:
    return paired_users(first, second).p


def _welch(first: UserMetrics, second: UserMetrics) -> float:
    return welch_seeds(first, second).p


def _rates(
    tests: Sequence[Callable[[UserMetrics, UserMetrics], float]],
    noise: Noise,
    users: int,
    seeds: tuple[int, int],
    repetitions: int,
    generator: np.random.Generator,
) -> list[float]:
    found = np.zeros(len(tests))
    for _ in range(repetitions):
        pair = simulate_models(noise, users, seeds, generator)
        found += [test(*pair) <= ALPHA for test in tests]
    return list(found / repetitions)


def _shared(options: argparse.Namespace, generator: np.random.Generator) -> Iterator[list[str]]:
    users = options.users[0]
    for seeds in (3, 5):
        found = {(paired, shift): 0 for paired in (True, False) for shift in (0.0, 0.06)}
        for shift in (0.0, 0.06):
            for _ in range(options.repetitions):
                pair = simulate_shared_stage(users, seeds, generator, luck=0.045, shift=shift)
                for paired in (True, False):
                    found[paired, shift] += crossed(*pair, paired).p <= ALPHA
        for paired, name in ((True, "runs paired"), (False, "as if independent")):
            rates = [found[paired, shift] / options.repetitions for shift in (0.0, 0.06)]
            yield [f"{seeds} v {seeds}", f"{users:,}", name, *map(_percent, rates)]


def _others(options: argparse.Namespace, generator: np.random.Generator) -> Iterator[list[str]]:
    users, repetitions = options.users[0], options.repetitions
    rate = _mean(_any_dagger(users, generator) for _ in range(repetitions // 2))
    yield ["any dagger among 10 equal labels, Holm", "5 seeds, runs ± 2 %", _percent(rate), "≤ 5"]
    for labels in (3, 5, 11):
        left_out = _mean(_left_out(labels, users, generator) for _ in range(repetitions // 2))
        yield ["an equal label left out of ≈", f"{labels} labels, 5 seeds", _percent(left_out), "≤ 5"]
    for seeds in (3, 5):
        flat, hole = _depths(users, seeds, repetitions, generator)
        setting = f"{seeds} seeds, only depth 1 worse"
        yield ["reported depth − depth 0 called different", setting, _percent(flat), "5"]
        yield ["reported depth − depth 1 called different", setting, _percent(hole), "100"]
    for seeds in (3, 5, 10):
        setting = f"{seeds} v {seeds}, margin of 3 standard errors"
        yield [
            "equivalent at a true difference of one margin",
            setting,
            _percent(_equivalent(seeds, users, repetitions, generator)),
            "≤ 5",
        ]
        for family in (1, 10):
            power = _power(seeds, users, family, repetitions, generator)
            setting = f"{seeds} v {seeds}, family of {family}"
            yield ["found at the median detectable difference", setting, _percent(power), "about 80"]


def _any_dagger(users: int, generator: np.random.Generator) -> bool:
    """Whether any of ten labels equal to another one is significant after Holm's correction."""
    first, *others = simulate_models(MIDDLE, users, (5,) * 11, generator)
    p_values = [crossed(first, other).p for other in others]
    return bool(min(holm(p_values)) <= ALPHA)


def _left_out(labels: int, users: int, generator: np.random.Generator) -> bool:
    """Whether any of several equal labels is not counted as tied with the best one."""
    return not all(tied_with_best(simulate_models(MIDDLE, users, (5,) * labels, generator), ALPHA))


def _depths(users: int, seeds: int, repetitions: int, generator: np.random.Generator) -> tuple[float, float]:
    """Return how often the trained depth differs significantly from depth 0 and from depth 1.

    Depth 0 is as good as the trained depth. Depth 1 is worse.
    """
    flat = hole = 0
    for _ in range(repetitions):
        shallow, deep = simulate_shared_stage(users, seeds, generator, luck=0.02)
        by_depth = {0: shallow, 1: deep.scaled(0.7), 3: deep}
        flat += depth_contrast(by_depth, 3, 0).p <= ALPHA
        hole += depth_contrast(by_depth, 3, 1).p <= ALPHA
    return flat / repetitions, hole / repetitions


def _contrasts(seeds: int, users: int, repetitions: int, generator: np.random.Generator) -> list[Contrast]:
    pairs = (simulate_models(MIDDLE, users, (seeds, seeds), generator) for _ in range(repetitions))
    return [crossed(*pair) for pair in pairs]


def _equivalent(seeds: int, users: int, repetitions: int, generator: np.random.Generator) -> float:
    contrasts = _contrasts(seeds, users, repetitions, generator)
    margin = 3 * float(np.std([contrast.difference for contrast in contrasts]))
    moved = (replace(contrast, difference=contrast.difference + margin) for contrast in contrasts)
    return _mean(equivalence(contrast, margin).equivalent for contrast in moved)


def _power(seeds: int, users: int, family: int, repetitions: int, generator: np.random.Generator) -> float:
    """Add the median detectable difference to every repetition and return the share that is significant."""
    contrasts, alpha = _contrasts(seeds, users, repetitions, generator), ALPHA / family
    shift = float(np.median([minimum_detectable(contrast, alpha) for contrast in contrasts]))
    moved = (replace(contrast, difference=contrast.difference + shift) for contrast in contrasts)
    return _mean(contrast.p <= alpha for contrast in moved)


def _mean(outcomes: Iterator[bool]) -> float:
    return float(np.mean(list(outcomes)))


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f}"


if __name__ == "__main__":
    main()
