"""``lrbench inspect``: what a dataset is like, before anyone trains on it."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli.console import message_console, result_console, say
from lrbench.cli.options import Catalog, DataDir

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from lrbench.config.protocol import Protocol
    from lrbench.data.audit import Audit

__all__ = ["inspect"]


class Format(StrEnum):
    """How the result is written."""

    terminal = "terminal"
    json = "json"


def inspect(
    name: Annotated[str, typer.Argument(metavar="DATASET", help="A dataset, by name or alias.")],
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Use this protocol's filters and split, not the dataset's own and leave-one-out.",
        ),
    ] = None,
    output_format: Annotated[
        Format, typer.Option("--format", help="Tables for people, or JSON.")
    ] = Format.terminal,
    data_dir: DataDir = None,
    catalog: Catalog = None,
) -> None:
    """Show sizes after every step, lengths, ties, repeats, leakage, and whether the order tells anything."""
    from lrbench.cli.fetch_progress import listener_for
    from lrbench.config.protocol import find_protocol
    from lrbench.data.audit import audit
    from lrbench.data.obtain import open_library

    library = open_library(data_dir, catalog)
    catalogue = library.catalogue
    chosen = find_protocol(protocol or "loo-50").of(catalogue.find(name).name)
    filters = chosen.filters if protocol else catalogue.find(name).filters
    with listener_for(message_console()) as listener:
        result = audit(library.obtain(name, filters, listener), chosen)
    if output_format is Format.json:
        print(result.model_dump_json(indent=2))
    else:
        _print(result, chosen, catalogue.describe(name), result_console())


def _print(result: "Audit", protocol: "Protocol", heading: str, console: "Console") -> None:
    record = result.dataset
    check = "checksum matches" if record.verified else "checksum not compared"
    lines = [
        heading,
        "SYNTHETIC: no real users" if record.synthetic else f"{record.source}, {check}",
        *record.reading,
        *record.notes,
    ]
    if record.best_recall_at_10 is not None:
        lines.append(f"best achievable Recall@10, known from the generator: {record.best_recall_at_10:.4f}")
    for line in lines:
        say(console, line)
    for table in (_steps(result), _spread(result), _findings(result, protocol)):
        console.print(table)


def _table(*columns: str) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right")
    return table


def _steps(result: "Audit") -> "Table":
    table = _table("after", "users", "items", "interactions")
    for count in result.dataset.counts:
        table.add_row(count.step, f"{count.users:,}", f"{count.items:,}", f"{count.interactions:,}")
    return table


def _spread(result: "Audit") -> "Table":
    table = _table("interactions", "mean", "min", "5 %", "25 %", "median", "75 %", "95 %", "max")
    for label, spread in (("of a user", result.sequence_length), ("of an item", result.item_popularity)):
        values = [spread.minimum, spread.q05, spread.q25, spread.median, spread.q75, spread.q95]
        table.add_row(label, f"{spread.mean:,.1f}", *(f"{value:,.0f}" for value in (*values, spread.maximum)))
    return table


def _findings(result: "Audit", protocol: "Protocol") -> "Table":
    leakage, order = result.leakage, result.order
    table = _table(f"{protocol.split}, {result.evaluated_users:,} test targets", "")
    for label, value in (
        ("users whose last two interactions have the same time", result.last_two_tied),
        ("interactions with an item that the user had before", result.repeats),
        ("test targets whose item nobody has in training", result.unseen_targets),
        ("test targets before some training interaction of another user", leakage and leakage.targets),
        ("test targets whose item another user has in training later", leakage and leakage.same_item),
        ("training interactions of other users later than a target, mean", leakage and leakage.training),
    ):
        table.add_row(label, "not known" if value is None else f"{value:.1%}")
    for label, number in (
        ("order probe: Recall@10 of a Markov chain, true order", order and order.recall_at_10),
        ("order probe: interactions of equal time shuffled", order and order.ties_shuffled_recall_at_10),
        ("order probe: whole sequences shuffled", order and order.shuffled_recall_at_10),
        ("order probe: true over shuffled (1: order tells nothing)", order and order.ratio),
    ):
        table.add_row(label, "not known" if number is None else f"{number:.4f}")
    return table
