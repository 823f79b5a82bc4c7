"""``lrbench recommend``: the items that stored weights rank highest for each user."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lrbench.bounds import LARGEST_SIZE, MOST_STEPS
from lrbench.cli.console import result_console, say
from lrbench.cli.evaluate import Only, Target
from lrbench.cli.options import (
    Catalog,
    DataDir,
    Plugins,
    ResultsDir,
    check_output,
    parse_list,
    parse_numbers,
)
from lrbench.cli.table_file import check_ending, write_rows
from lrbench.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from lrbench.cli.evaluation_target import EvaluatedRow
    from lrbench.cli.recommended import AskedLists
    from lrbench.data.obtain import Library

__all__ = ["recommend"]

Top = Annotated[int, typer.Option(metavar="N", min=1, max=LARGEST_SIZE, help="Length of each list.")]
Depth = Annotated[
    str | None,
    typer.Option(metavar="0-8", help="Numbers of reasoning steps. Without it: the depth that is reported."),
]
Part = Annotated[
    Literal["valid", "test"],
    typer.Option("--split", help="Recommend after the histories before the validation or the test targets."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        parser=expanded,
        callback=check_output,
        help="Write the lists to this CSV or Parquet file.",
    ),
]


def recommend(
    trial: Target,
    only: Only = None,
    top: Top = 10,
    depth: Depth = None,
    split: Part = "test",
    output: Output = None,
    results: ResultsDir = Path("results"),
    data_dir: DataDir = None,
    catalog: Catalog = None,
    plugins: Plugins = None,
) -> None:
    """List the items that stored weights rank highest for each user.

    What it prints for each depth, as means over seeds ± standard deviation:

    hit rate: share of users whose target is in their list

    coverage: share of all items that are in any list

    popularity: training interactions of a listed item

    overlap: share of a list that is in the user's list at depth 0

    Lists leave out the items of the history if the protocol ranks without them.
    """
    from lrbench.cli.evaluation_target import find_rows
    from lrbench.cli.recommended import AskedLists
    from lrbench.data.obtain import open_library
    from lrbench.store.layout import Results

    depths = tuple(sorted(set(parse_numbers(depth, "--depth", MOST_STEPS))))
    check_ending(output, ".csv", ".parquet")
    rows = find_rows(Results(results), trial, None if only is None else parse_list(only, "--only"))
    for row in rows:
        row.tell_missing_seeds()
        if not row.reasons and depths not in {(), (0,)}:
            row.tell_only_depth()
    frames = _listed(rows, AskedLists(depths, top, split), open_library(data_dir, catalog))
    if output is not None:
        write_rows(frames, output)


def _listed(rows: "Sequence[EvaluatedRow]", asked: "AskedLists", library: "Library") -> "list[pl.DataFrame]":
    """Recommend with every seed of the rows, and print the means."""
    from lrbench.cli.recommended import lists_table, recommend_with
    from lrbench.cli.tables import print_table

    frames = []
    for row in rows:
        seeds = [recommend_with(folder, library, asked) for folder in row.folders]
        say(result_console(), f"{row.title}: {asked.part}, lists of {asked.most}")
        print_table(result_console(), lists_table(seeds))
        frames += [row.named(seed.frame, seed.seed) for seed in seeds]
    return frames
