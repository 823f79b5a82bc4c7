"""``lrbench evaluate`` and ``lrbench verify``: stored weights, ranked again."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.bounds import MOST_DRAWS, MOST_STEPS
from lrbench.cli.console import message_console, result_console
from lrbench.cli.options import Catalog, DataDir, Plugins, ResultsDir, check_output, parse_numbers
from lrbench.errors import CheckError, RequestError

if TYPE_CHECKING:
    from lrbench.execution.stored_trial import StoredTrial

__all__ = ["evaluate", "verify"]

Trial = Annotated[str, typer.Argument(metavar="TRIAL", help="A trial's folder, id, or the start of its id.")]


def evaluate(
    trial: Trial,
    depth: Annotated[str, typer.Option(metavar="0-16", help="Depths to rank at.")] = "0-8",
    draws: Annotated[
        int, typer.Option(min=1, max=MOST_DRAWS, help="Draws of the initial noise per user.")
    ] = 1,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=check_output, help="Also write the ranks, as Parquet."),
    ] = None,
    results: ResultsDir = Path("results"),
    data_dir: DataDir = None,
    catalog: Catalog = None,
    plugins: Plugins = None,
) -> None:
    """Rank with the stored weights at other depths, without training; the trial's folder stays as it is."""
    from rich.table import Table

    from lrbench.evaluation.rank_everything import evaluate as rank_everything
    from lrbench.evaluation.rank_everything import mean_metrics
    from lrbench.files import write_bytes

    depths = tuple(sorted(set(parse_numbers(depth, "--depth", MOST_STEPS))))
    if output is not None and output.suffix != ".parquet":
        raise RequestError(f"{output} is no Parquet file.", "Give a name that ends in .parquet.")
    stored = _revive(trial, results, data_dir, catalog)
    if not stored.model.reasons and depths != (0,):
        message_console().print(f"{stored.record.model} takes no reasoning steps: depth 0 is all there is.")
        depths = (0,)
    ranks, _ = rank_everything(
        stored.model, stored.dataset, stored.split, depths, draws, stored.record.seed, stored.device
    )
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


def verify(
    trial: Trial,
    results: ResultsDir = Path("results"),
    data_dir: DataDir = None,
    catalog: Catalog = None,
    plugins: Plugins = None,
) -> None:
    """Rank again with the stored weights and compare with the stored ranks; exit 1 if any differs."""
    from lrbench.evaluation.rank_everything import evaluate as rank_everything
    from lrbench.store.trials import read_ranks

    stored = _revive(trial, results, data_dir, catalog)
    kept = read_ranks(stored.folder).collect()
    settings = stored.record.config.evaluation
    ranks, _ = rank_everything(
        stored.model,
        stored.dataset,
        stored.split,
        settings.depths,
        settings.draws,
        stored.record.seed,
        stored.device,
    )
    if kept.shape != ranks.shape:
        raise CheckError(f"{kept.height:,} ranks are stored, {ranks.height:,} were expected.")
    known = [name for name in kept.columns if not kept[name].null_count()]  # older files lack some columns
    differing = int((~kept.select(known).hash_rows().eq(ranks.select(known).hash_rows())).sum())
    if differing:
        folders = max(float((kept[name] - ranks[name]).abs().max()) for name in ("rank", "rank_masked"))  # type: ignore[arg-type]
        raise CheckError(
            f"{differing:,} of {ranks.height:,} ranks differ from those stored in {stored.folder}, "
            f"the furthest by {folders:,g}.",
            "Another machine, device or version may round differently; trial.json says which were used.",
        )
    message_console().print(f"All {ranks.height:,} ranks of {stored.record.id} are as stored.")


def _revive(trial: str, results: Path, data_dir: Path | None, catalog: Path | None) -> "StoredTrial":
    import torch

    from lrbench.data.obtain import open_library
    from lrbench.execution.stored_trial import find_trial, revive
    from lrbench.store.layout import Results
    from lrbench.store.trials import read_record

    folder = find_trial(Results(results), trial)
    record = read_record(folder)
    library = open_library(data_dir, catalog)
    dataset_folder = library.obtain_folder(record.dataset.name, record.protocol.filters)
    device = torch.device("cpu" if record.device == "cpu" or not torch.cuda.is_available() else "cuda")
    return revive(folder, dataset_folder, device)
