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
    from lrbench.data.inspection.row_predictors import AccountOverlap

__all__ = ["inspect"]


_FILE_ORDER = "their order is that of the file"
_AGAIN = "recommending what came before is hard to beat"
_ON_BOTH_SIDES = "one person may be on both sides of the split"
_NOT_LEARNT = "models on ids cannot learn them"
_FUTURE = "training knows their future"
_LEAST_RATIO = 1.1
_FEWEST_SWITCHES = 0.05


class InspectFormat(StrEnum):
    """How the result is written."""

    terminal = "terminal"
    json = "json"


def inspect(
    name: Annotated[str, typer.Argument(metavar="DATASET", help="A dataset, by name or alias.")],
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Use the filters and the split of this protocol. "
            "Without it: the dataset's own filters and leave-one-out.",
        ),
    ] = None,
    output_format: Annotated[
        InspectFormat, typer.Option("--format", help="Tables for people, or JSON.")
    ] = InspectFormat.terminal,
    data_dir: DataDir = None,
    catalog: Catalog = None,
) -> None:
    """Show a dataset's sizes, lengths, ties, repeats and leakage, and whether its order matters.

    A remark (!) follows each figure that can change what a result means.
    """
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
    if output_format is InspectFormat.json:
        print(result.model_dump_json(indent=2))
    else:
        _print(result, chosen, catalogue.describe(name), result_console())


def _print(result: "Audit", protocol: "Protocol", heading: str, console: "Console") -> None:
    from lrbench.cli.tables import print_table

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
        print_table(console, table)
    if result.accounts is not None:
        print_table(console, _predictors(result.accounts), names=2)
        known = f"{result.accounts.targets_with_known_account:.1%} of the test rows of shared-rows"
        say(
            console,
            f"{known} belong to accounts that also have training rows. Results under shared-rows therefore "
            "show how well a model looks up overlapping rows. Compare models under shared-rows-disjoint.",
        )


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


def _predictors(accounts: "AccountOverlap") -> "Table":
    """Return results of predictors that learn nothing, on the published split and with accounts apart."""
    table = _table("predictor without learning", "split", "test rows", "Recall@5", "Recall@20", "MRR@5")
    for row in accounts.predictors:
        values = (f"{value:.3f}" for value in (row.recall_at_5, row.recall_at_20, row.mrr_at_5))
        table.add_row(row.name, row.protocol, f"{row.targets:,}", *values)
    return table


def _findings(result: "Audit", protocol: "Protocol") -> "Table":
    """Return shares and the order probe, with a remark below each figure that is beyond its limit."""
    table = _table(f"{protocol.split}, {result.evaluated_users:,} test targets", "")
    for label, value, limit, remark in (*_shares(result), *_leaks(result)):
        shown = "not known" if value is None else f"{value:.1%}"
        table.add_row(_remarked(label, remark if value is not None and value > limit else ""), shown)
    if result.switches is not None:
        label = "neighbouring interactions of an account that belong to two members"
        apart = "members hardly overlap in time" if result.switches < _FEWEST_SWITCHES else ""
        table.add_row(_remarked(label, apart), f"{result.switches:.1%}")
    for label, number, remark in _order_probe(result):
        table.add_row(_remarked(label, remark), "not known" if number is None else f"{number:.4f}")
    return table


Share = tuple[str, float | None, float, str]
"""What it is a share of, its value, the limit above which it is remarked on, and the remark."""


def _shares(result: "Audit") -> tuple[Share, ...]:
    """Return shares of interactions, targets and items."""
    guards = result.guards
    twice, alike = "rows were written twice", "their titles do not tell them apart"
    overlapping = "test rows of which half or more is in another user's training row"
    return (
        ("users whose last two interactions have the same time", result.last_two_tied, 0.2, _FILE_ORDER),
        ("test targets with the time of their last input", guards.target_time_tied, 0.2, _FILE_ORDER),
        ("interactions with an item that the user had before", result.repeats, 0.5, _AGAIN),
        ("test targets that are the last input again", guards.repeat_last, 0.2, _AGAIN),
        ("test targets that are anywhere in their history", guards.target_in_history, 0.5, _AGAIN),
        ("interactions that are exact copies of another", guards.copies, 0.05, twice),
        (overlapping, guards.overlapping_rows, 0.05, _ON_BOTH_SIDES),
        ("items with the title of another item", guards.equal_titles, 0.05, alike),
        ("items whose title is a scrap of a web page", guards.html_titles, 0, "their titles say nothing"),
        ("test targets whose item nobody has in training", result.unseen_targets, 0.1, _NOT_LEARNT),
    )


def _leaks(result: "Audit") -> tuple[Share, ...]:
    """Return shares that say how much training knows of the time after a target."""
    leakage = result.leakage
    targets, same_item, training = (
        (None, None, None) if leakage is None else (leakage.targets, leakage.same_item, leakage.training)
    )
    return (
        ("test targets before some training interaction of another user", targets, 0.5, _FUTURE),
        ("test targets whose item another user has in training later", same_item, 0.5, _FUTURE),
        ("training interactions of other users that are later than a target, mean", training, 1, ""),
    )


def _order_probe(result: "Audit") -> tuple[tuple[str, float | None, str], ...]:
    """Return what the probe measured, with a remark where the order says next to nothing."""
    order = result.order
    true, tied, whole, ratio = (
        (None, None, None, None)
        if order is None
        else (order.recall_at_10, order.ties_shuffled_recall_at_10, order.shuffled_recall_at_10, order.ratio)
    )
    nothing = "the order says next to nothing" if ratio is not None and ratio < _LEAST_RATIO else ""
    return (
        ("order probe: Recall@10 of a Markov chain, true order", true, ""),
        ("order probe: interactions of equal time shuffled", tied, ""),
        ("order probe: whole sequences shuffled", whole, ""),
        ("order probe: true over shuffled (1: order does not matter)", ratio, nothing),
    )


def _remarked(label: str, remark: str) -> str:
    return f"{label}\n  ! {remark}" if remark else label
