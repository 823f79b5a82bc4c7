"""Published numbers beside those of the suite, one table per dataset."""

from lrbench.report.numbers import UNKNOWN, metric_title, percent
from lrbench.report.report import PublishedValue, Report
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["published_section"]

COLUMNS = (
    "Model",
    "metric",
    "seen items",
    "published",
    "here",
    "one run, 95 %",
    "difference %",
    "reproduced",
    "source",
)
WORDS = ("metric", "seen items", "reproduced", "source")
READING = (
    "A difference of at most 3 % counts as reproduced. A published number has no spread, so there is no "
    "test. One run, 95 %: the interval in which one more run here would fall."
)


def published_section(report: Report) -> Section:
    """Tabulate what can be compared; the notes say what each publication does differently."""
    tables = tuple(
        Table(
            f"Published and here on {name}",
            tuple(_cells(report, value) for value in report.published if value.dataset == name),
        )
        for name in dict.fromkeys(value.dataset for value in report.published)
    )
    notes = READING, *_differences(report), *_sources(report)
    return Section("Published beside reproduced", COLUMNS, tables, notes, words=WORDS)


def _cells(report: Report, value: PublishedValue) -> tuple[Cell, ...]:
    spread = "" if value.n_seeds < 2 else report.style.plain(value.sd)
    return (
        Cell(value.label),
        Cell(metric_title(value.metric)),
        Cell("left out" if value.masked else "kept"),
        Cell(report.style.plain(value.published)),
        Cell(report.style.plain(value.mean), spread=spread),
        Cell(report.style.interval(*value.predicted).replace("+", "") or UNKNOWN),
        Cell(percent(value.relative)),
        Cell("yes" if value.reproduced else "higher" if value.relative > 0 else "lower"),
        Cell(value.source),
    )


def _differences(report: Report) -> tuple[str, ...]:
    """Return one sentence per publication, label and dataset: what the publication does differently."""
    sentences = (
        f"{value.label} on {value.dataset}, what differs in {value.source}: {value.differs}."
        for value in report.published
    )
    return tuple(dict.fromkeys(sentences))


def _sources(report: Report) -> tuple[str, ...]:
    """Return one line per source, with its title, year and link."""
    return tuple(
        f"{source.name}: “{source.title}”, {source.year}"
        f"{f', {source.table}' if source.table else ''}: {source.link}"
        for source in report.published_sources
    )
