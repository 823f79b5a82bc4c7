"""``lrbench evaluate``: stored weights at other depths."""

from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer

from lrbench.bounds import MOST_DRAWS, MOST_STEPS
from lrbench.cli.console import message_console, result_console
from lrbench.cli.options import Catalog, DataDir, Plugins, ResultsDir, check_output, parse_numbers
from lrbench.errors import RequestError

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
    from rich.table import Table

    from lrbench.config.trial import EvaluationConfig
    from lrbench.data.obtain import open_library
    from lrbench.execution.stored_trial import find_trial, load_trial
    from lrbench.files import write_bytes
    from lrbench.store.layout import Results
    from lrbench.store.mean_metrics import mean_metrics

    depths = tuple(sorted(set(parse_numbers(depth, "--depth", MOST_STEPS))))
    if output is not None and output.suffix != ".parquet":
        raise RequestError(f"{output} is no Parquet file.", "Give a name that ends in .parquet.")
    stored = load_trial(find_trial(Results(results), trial), open_library(data_dir, catalog))
    if not stored.model.reasons and depths != (0,):
        message_console().print(f"{stored.record.model} takes no reasoning steps, so it has only depth 0.")
        depths = (0,)
    latents = stored.record.config.evaluation.latents
    evaluation = EvaluationConfig(depths=depths, draws=draws, latents=latents)
    ranks = stored.ranked(evaluation)
    if output is not None:
        packed = BytesIO()
        ranks.write_parquet(packed)
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
    message_console().print(
        "Choosing a depth by its test row is selection on the test set: choose by the valid row."
    )
