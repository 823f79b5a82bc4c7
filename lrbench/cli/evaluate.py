"""``lrbench evaluate``: rank with stored weights at other depths, for one trial or for a suite's rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.bounds import MOST_DRAWS, MOST_STEPS
from lrbench.cli.console import message_console, result_console, say
from lrbench.cli.options import (
    Catalog,
    DataDir,
    Plugins,
    ResultsDir,
    check_output,
    parse_list,
    parse_name,
    parse_numbers,
)
from lrbench.cli.table_file import check_ending, write_rows
from lrbench.errors import RequestError, did_you_mean
from lrbench.paths import expanded

if TYPE_CHECKING:
    import polars as pl

    from lrbench.cli.evaluated import Asked
    from lrbench.cli.evaluation_target import EvaluatedRow
    from lrbench.config.interventions import Intervention
    from lrbench.data.obtain import Library

__all__ = ["evaluate"]


Target = Annotated[
    str,
    typer.Argument(
        metavar="TRIAL|SUITE",
        parser=parse_name,
        help="A trial's folder, its id, or the start of its id. "
        "Or a suite's name or file, for all its finished trials.",
    ),
]
Only = Annotated[
    str | None,
    typer.Option("--only", metavar="A,B", help="With a suite: rank only these rows (labels, patterns)."),
]
Depth = Annotated[str, typer.Option(metavar="0-16", help="Numbers of reasoning steps to rank at.")]
Draws = Annotated[
    int, typer.Option(metavar="N", min=1, max=MOST_DRAWS, help="Draws of the initial noise per user.")
]
Interventions = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="Also rank the test targets with a changed latent: zero, noise, shuffle, matched, or all.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        parser=expanded,
        callback=check_output,
        help="Also write the ranks to this Parquet file.",
    ),
]


def evaluate(
    trial: Target,
    only: Only = None,
    depth: Depth = "0-8",
    draws: Draws = 1,
    interventions: Interventions = None,
    output: Output = None,
    results: ResultsDir = Path("results"),
    data_dir: DataDir = None,
    catalog: Catalog = None,
    plugins: Plugins = None,
) -> None:
    """Rank with the stored weights at other depths, without training.

    Reports show these ranks too. The folders of the trials do not change.
    """
    from lrbench.cli.evaluated import Asked
    from lrbench.cli.evaluation_target import find_rows
    from lrbench.data.obtain import open_library
    from lrbench.store.layout import Results

    depths = tuple(sorted(set(parse_numbers(depth, "--depth", MOST_STEPS))))
    asked = Asked(depths, draws, _interventions(interventions))
    check_ending(output, ".parquet")
    rows = find_rows(Results(results), trial, None if only is None else parse_list(only, "--only"))
    _check_reasoning(rows, asked)
    frames = _ranked(rows, asked, open_library(data_dir, catalog))
    if output is not None:
        write_rows(frames, output)
    say(
        message_console(),
        "Choosing a depth by its test row is selection on the test set: choose by the valid row.",
    )


def _ranked(rows: "Sequence[EvaluatedRow]", asked: "Asked", library: "Library") -> "list[pl.DataFrame]":
    """Rank every seed of the rows, print the means, and keep the ranks for reports."""
    from lrbench.cli.evaluated import (
        changes_table,
        check_kept,
        depths_table,
        evaluate_trial,
        keep_for_reports,
    )
    from lrbench.cli.tables import print_table

    for folder in (folder for row in rows for folder in row.folders):
        check_kept(folder)

    frames: list[pl.DataFrame] = []
    not_kept: dict[str, None] = {}
    for row in rows:
        seeds = [evaluate_trial(folder, library, asked) for folder in row.folders]
        print_table(result_console(), depths_table(row.title, seeds), names=2)
        if seeds[0].changes:
            print_table(result_console(), changes_table(seeds))
        frames += [row.named(seed.ranks, seed.record.seed) for seed in seeds]
        for folder, seed in zip(row.folders, seeds, strict=True):
            if reason := keep_for_reports(folder, seed):
                not_kept[reason] = None
    for reason in not_kept:
        say(message_console(), f"Note: reports will not show these ranks, since {reason}.")
    return frames


def _check_reasoning(rows: "Sequence[EvaluatedRow]", asked: "Asked") -> None:
    """Say which rows are ranked at depth 0 alone, and which seeds are missing.

    Raises:
        RequestError: interventions are asked for, and no model takes reasoning steps.
    """
    if asked.interventions and not any(row.reasons for row in rows):
        models = " and ".join(dict.fromkeys(row.model for row in rows))
        raise RequestError(
            f"Interventions change the latent of reasoning steps, and there is none in {models}.",
            "Leave --interventions out.",
        )
    for row in rows:
        row.tell_missing_seeds()
        if not row.reasons and (asked.depths != (0,) or asked.interventions):
            row.tell_only_depth()


def _interventions(given: str | None) -> "tuple[Intervention, ...]":
    from lrbench.config.interventions import INTERVENTIONS

    wanted = tuple(INTERVENTIONS) if given == "all" else tuple(parse_list(given, "--interventions"))
    unknown = next((name for name in wanted if name not in INTERVENTIONS), None)
    if unknown is not None:
        raise RequestError(f'There is no intervention "{unknown}".', did_you_mean(unknown, INTERVENTIONS))
    return tuple(name for name in INTERVENTIONS if name in wanted)
