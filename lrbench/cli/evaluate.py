"""``lrbench evaluate``: stored weights at other depths."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.bounds import MOST_DRAWS, MOST_STEPS
from lrbench.cli.console import message_console, result_console
from lrbench.cli.options import (
    Catalog,
    DataDir,
    Plugins,
    ResultsDir,
    check_output,
    parse_list,
    parse_numbers,
)
from lrbench.errors import RequestError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from rich.table import Table

    from lrbench.config.interventions import Intervention
    from lrbench.execution.stored_trial import StoredTrial

__all__ = ["evaluate"]


def evaluate(
    trial: Annotated[
        str, typer.Argument(metavar="TRIAL", help="A trial's folder, id, or the start of its id.")
    ],
    depth: Annotated[
        str, typer.Option(metavar="0-16", help="Numbers of reasoning steps to rank at.")
    ] = "0-8",
    draws: Annotated[
        int, typer.Option(min=1, max=MOST_DRAWS, help="Draws of the initial noise per user.")
    ] = 1,
    interventions: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Also rank the test targets with another latent: zero, noise, shuffle, matched, or all.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", callback=check_output, help="Also write the ranks to this Parquet file."
        ),
    ] = None,
    results: ResultsDir = Path("results"),
    data_dir: DataDir = None,
    catalog: Catalog = None,
    plugins: Plugins = None,
) -> None:
    """Rank with the stored weights at other depths, without training; the trial's folder does not change."""
    import polars as pl
    from rich.table import Table

    from lrbench.config.trial import EvaluationConfig
    from lrbench.data.obtain import open_library
    from lrbench.execution.stored_trial import load_trial
    from lrbench.files import write_bytes
    from lrbench.store.find_trial import find_trial
    from lrbench.store.layout import Results
    from lrbench.store.mean_metrics import mean_metrics

    depths = tuple(sorted(set(parse_numbers(depth, "--depth", MOST_STEPS))))
    changes = _interventions(interventions)
    if output is not None and output.suffix != ".parquet":
        raise RequestError(f"{output} is no Parquet file.", "Give a name that ends in .parquet.")
    stored = load_trial(find_trial(Results(results), trial), open_library(data_dir, catalog))
    if not stored.model.reasons and changes:
        raise RequestError(
            f"{stored.record.model} takes no reasoning steps, so it has no latent to change.",
            "Leave --interventions out.",
        )
    if not stored.model.reasons and depths != (0,):
        message_console().print(f"{stored.record.model} takes no reasoning steps, so it has only depth 0.")
        depths = (0,)
    latents = stored.record.config.evaluation.latents
    evaluation = EvaluationConfig(depths=depths, draws=draws, latents=latents, interventions=changes)
    ranks = stored.ranked(evaluation)
    changed, divergence = stored.ranked_with_interventions(evaluation)
    if output is not None:
        packed = BytesIO()
        pl.concat((ranks, changed)).write_parquet(packed)
        write_bytes(output, packed.getvalue())
    metrics = stored.record.protocol.metrics
    means = mean_metrics(ranks, stored.record.protocol)
    table = Table(title=stored.record.id, title_justify="left")
    for heading in ("split", "depth", *metrics):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    for split, by_depth in means.items():
        for level, values in by_depth.items():
            table.add_row(split, level, *(f"{values[metric]:.4f}" for metric in metrics))
    result_console().print(table)
    if changes:
        result_console().print(_changes(stored, changed, divergence))
    message_console().print(
        "Choosing a depth by its test row is selection on the test set: choose by the valid row."
    )


def _interventions(given: str | None) -> "tuple[Intervention, ...]":
    from lrbench.config.interventions import INTERVENTIONS

    wanted = tuple(INTERVENTIONS) if given == "all" else tuple(parse_list(given, "--interventions"))
    unknown = next((name for name in wanted if name not in INTERVENTIONS), None)
    if unknown is not None:
        raise RequestError(f'There is no intervention "{unknown}".', did_you_mean(unknown, INTERVENTIONS))
    return tuple(name for name in INTERVENTIONS if name in wanted)


def _changes(stored: "StoredTrial", changed: "pl.DataFrame", divergence: "Mapping[str, float]") -> "Table":
    """A row for each intervention: metrics, the divergence of the scores and the median change of rank."""
    import polars as pl
    from rich.table import Table

    from lrbench.store.mean_metrics import mean_metrics
    from lrbench.store.trials import read_ranks

    depth = stored.record.depth
    suffix = "_masked" if stored.record.protocol.mask_seen else ""
    own = read_ranks(stored.folder).filter(split="test", depth=depth).collect()
    metrics = stored.record.protocol.metrics
    table = Table(title=f"test ranks with another latent, depth {depth}", title_justify="left")
    for heading in ("intervention", *metrics, "mean KL", "median change of rank"):
        table.add_column(heading, justify="left" if heading == "intervention" else "right")
    keys = ["user", "target", "draw"]
    for name, rows in [("none", own), *((kind, changed.filter(intervention=kind)) for kind in divergence)]:
        means = mean_metrics(rows, stored.record.protocol)["test"][str(depth)]
        moved = rows.join(own, on=keys, suffix="_own").select(
            (pl.col(f"rank{suffix}") - pl.col(f"rank{suffix}_own")).median()
        )
        kl = f"{divergence[name]:.4f}" if name in divergence else "–"
        table.add_row(name, *(f"{means[metric]:.4f}" for metric in metrics), kl, f"{moved.item() or 0:+g}")
    return table
