"""Results in Python: frames of trials, ranks, metrics and histories, comparisons, reports and figures.

:func:`lrbench.load` opens a results folder. Frames are Polars frames; nothing here needs torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import polars as pl

from lrbench.errors import RequestError, did_you_mean
from lrbench.files import write_bytes
from lrbench.metrics import metric_function
from lrbench.names import check_list
from lrbench.report.build import ReportOptions, build_report
from lrbench.report.choices import Choices, shown_names
from lrbench.report.comparisons import compare_labels
from lrbench.report.families import lacks_runs
from lrbench.report.formats import FORMATS, usual_metrics
from lrbench.report.formats.fields import comparison_fields, group_fields
from lrbench.report.group_table import GroupTable, read_group_table
from lrbench.report.label_metrics import measure
from lrbench.report.layout import ANSWERS, Layout, inches_of
from lrbench.report.numbers import MetricStyle
from lrbench.report.plots import CostKind, PlotSource, plot
from lrbench.report.tables import check_sections
from lrbench.store.frames import FinishedTrial, finished_trials, suite_ranks
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord, find_suite_record
from lrbench.wording import counted

__all__ = ["Choices", "Layout", "LoadedSuite", "MetricStyle", "Picture", "load", "select_labels"]


@dataclass(frozen=True)
class Picture:
    """A figure, which a notebook displays."""

    content: bytes = field(repr=False)
    kind: Literal["svg", "png", "pdf"]

    def save(self, path: str | Path) -> None:
        """Write the file; missing folders on its path are created."""
        write_bytes(Path(path), self.content)

    def _repr_svg_(self) -> str | None:
        return self.content.decode() if self.kind == "svg" else None

    def _repr_png_(self) -> bytes | None:
        return self.content if self.kind == "png" else None


@dataclass(frozen=True)
class LoadedSuite:
    """A suite with its finished trials; every frame begins with label, dataset and seed."""

    suite: SuiteRecord
    results: Results
    own_groups: GroupTable | None = None
    """Groups of users from the person's own table."""

    def __repr__(self) -> str:
        rows, datasets = counted(len(self.labels), "row"), ", ".join(self.suite.datasets)
        return f"<suite {self.suite.name}: {rows}, {datasets}>"

    @cached_property
    def _finished(self) -> list[FinishedTrial]:
        return finished_trials(self.suite, self.results)[0]

    @property
    def labels(self) -> tuple[str, ...]:
        """The rows of the suite, in its order."""
        return self.suite.labels

    @cached_property
    def trials(self) -> pl.DataFrame:
        """One row per finished trial: its model, its cost, and where it ran.

        Columns: label, dataset, seed, trial, model, depth, draws, parameters, flops_per_user,
        train_seconds, peak_memory_bytes, device, threads, started, ended, folder, and ``version:NAME`` for
        each package.
        """
        rows = []
        for trial in self._finished:
            record = trial.record
            facts = {name: getattr(record, name) for name in FACTS}
            versions = {f"version:{name}": version for name, version in record.versions.items()}
            rows.append(
                {**_place(trial), "trial": record.id, **facts, "folder": str(trial.folder), **versions}
            )
        if not rows:
            texts = [(name, pl.String()) for name in ("trial", "folder")]
            return pl.DataFrame(schema=[*_PLACE.items(), texts[0], *FACTS.items(), texts[1]])
        return pl.DataFrame(rows, infer_schema_length=None)

    @property
    def ranks(self) -> pl.LazyFrame:
        """Every stored rank, lazily: columns label, dataset, seed, trial, then those of ``ranks.parquet``.

        Ranks that a brief archive left out are NaN.
        """
        return suite_ranks(self._finished)

    @cached_property
    def history(self) -> pl.DataFrame:
        """One row per epoch, stage and trial: losses, learning rate, validation metric, seconds."""
        frames = [
            trial.history().select(
                *(pl.lit(value).alias(name) for name, value in _place(trial).items()), pl.all()
            )
            for trial in self._finished
        ]
        return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame(schema=_PLACE)

    def metrics(self, *names: str, masked: bool | None = None) -> pl.DataFrame:
        """Means over users at the depth that reports use: columns label, dataset, seed, metric, value.

        Args:
            names: metrics such as ``"ndcg@10"``; without any, those of the protocol.
            masked: whether to leave items of the user's history out of the ranks; `None`: as the protocol
                says.

        Raises:
            RequestError: a name is no metric.
            CheckError: trials of one dataset were ranked on different targets.
        """
        wanted = names or self.suite.protocol.metrics
        measured = measure(
            self._finished,
            self.suite.datasets,
            self.labels,
            [_known(name) for name in wanted],
            self._masked(masked),
        )
        rows = [
            {**_place(trial), "metric": name, "value": float(values.mean())}
            for entry in measured
            for name in wanted
            for trial, values in zip(entry.trials, entry.metrics[name].values, strict=True)
        ]
        return pl.DataFrame(rows, schema={**_PLACE, "metric": pl.String, "value": pl.Float64})

    def compare(
        self,
        first: str,
        *others: str,
        metrics: Sequence[str] = (),
        datasets: Sequence[str] = (),
        masked: bool | None = None,
    ) -> pl.DataFrame:
        """Compare a row with others, or with all: one line per dataset, other row and metric.

        The columns are the fields of a comparison in the JSON report, without nested ones. The last one,
        ``interim``, says whether one of the two rows lacks runs with seeds of the suite.

        P-values are adjusted after Benjamini and Hochberg over all lines. Comparisons that the suite does not
        declare are descriptive. The report has the verdicts of declared ones, and corrects over their family.

        Args:
            first: the row that is compared, by its label.
            others: rows that it is compared with; none: all others.
            metrics: metrics to compare; empty: the primary one.
            datasets: names or patterns of datasets; empty: all of the suite.
            masked: whether items of the history are left out of the ranks; `None`: as the protocol says.

        Raises:
            RequestError: a label or dataset is not the suite's, a name is no metric, or nothing can be
                compared.
            CheckError: trials of one dataset were ranked on different targets.
        """
        check_list(metrics, "metrics")
        check_list(datasets, "datasets")
        seconds = select_labels(self.suite, others) or [label for label in self.labels if label != first]
        (one,) = select_labels(self.suite, (first,))
        if one in seconds:
            raise RequestError(f'"{one}" cannot be compared with itself.', "Name another row.")
        wanted = [_known(name) for name in metrics] or [self.suite.primary_metric]
        chosen = shown_names(self.suite.datasets, datasets, (), "dataset")
        measured = measure(self._finished, chosen, self.labels, wanted, self._masked(masked))
        waiting = {(row.dataset, row.label) for row in measured if lacks_runs(row, self.suite)}
        lines: list[dict[str, Any]] = []
        for comparison in compare_labels(measured, one, seconds, wanted, self.suite.margin):
            fields = comparison_fields(comparison)
            interim = any((comparison.dataset, label) in waiting for label in comparison.labels)
            plain = {name: value for name, value in fields.items() if not isinstance(value, dict)}
            lines.append({**plain, "interim": interim})
        if not lines:
            raise RequestError(
                f"No trials of {one} and of another of these rows are finished on one dataset.",
                f"See how far it is: {self.results.command('status', self.suite.name)}",
            )
        return pl.DataFrame(lines, infer_schema_length=None)

    @cached_property
    def groups(self) -> pl.DataFrame:
        """Each proposed row against its reference within the groups that were given to :func:`load`.

        One line per dataset, proposed row, way to group and group; the columns are the fields of ``groups``
        in the JSON report. These comparisons are exploratory.

        Raises:
            RequestError: no groups were given, or the table has no user or item of the suite.
        """
        if self.own_groups is None:
            raise RequestError(
                "No groups of users were given.", 'Give a table of them: lrbench.load(…, groups="users.csv").'
            )
        options = ReportOptions(metrics=(self.suite.primary_metric,), groups=self.own_groups)
        findings = build_report(self.suite, self.results, options).groups
        lines = []
        for finding in findings:
            fields = group_fields(finding)
            shared = {name: value for name, value in fields.items() if name != "groups"}
            lines += [{**shared, **group} for group in fields["groups"]]
        return pl.DataFrame(lines, infer_schema_length=None)

    def report(
        self,
        format: str = "terminal",
        *,
        metrics: Sequence[str] = (),
        baseline: str | None = None,
        masked: bool | None = None,
        style: MetricStyle | None = None,
        choices: Choices | None = None,
        layout: Layout | None = None,
    ) -> str:
        """Return the report as text, as ``lrbench report`` writes it.

        Args:
            format: a name of a format, such as ``"latex"``.
            metrics: columns; empty: those of the protocol, in LaTeX only two.
            baseline: the row to which percentages are relative; `None`: no percentages.
            masked: whether to leave items of the user's history out of the ranks; `None`: as the protocol
                says.
            style: decimals of metrics, and whether they are in percent; `None`: four decimals.
            choices: which rows and datasets to show; `None`: all.
            layout: which tables, and how wide; `None`: as the format usually does.

        Raises:
            RequestError: there is no such format, metric, label or table, or no trial is finished.
            CheckError: trials of one dataset were ranked on different targets.
        """
        check_list(metrics, "metrics")
        check_sections(() if layout is None else layout.tables)
        options = ReportOptions(
            metrics=tuple(metrics) or usual_metrics(format, self.suite),
            baseline=baseline,
            masked=masked,
            style=style or MetricStyle(),
            choices=choices or Choices(),
            groups=self.own_groups,
        )
        return FORMATS.load(format)().render(build_report(self.suite, self.results, options), layout)

    def plot(
        self,
        kind: str,
        *,
        picture: Literal["svg", "png", "pdf"] = "svg",
        width: Literal["column", "text"] | float | None = None,
        cost: CostKind = "flops",
        option: str = "",
        masked: bool | None = None,
        choices: Choices | None = None,
    ) -> Picture:
        """Draw a figure, as ``lrbench plot`` does.

        Args:
            kind: a name of a plot, such as ``"depth"``.
            picture: the file format.
            width: width of a column or of the text of a two-column page, or inches; `None`: as the plot
                usually is.
            cost: the horizontal axis of the plot ``pareto``.
            option: the option that the plot ``grid`` varies.
            masked: whether to leave items of the user's history out of the ranks; `None`: as the protocol
                says.
            choices: which rows and datasets to show; `None`: all.

        Raises:
            RequestError: there is no such plot, width or cost, nothing to draw in it, or matplotlib is not
                installed.
        """
        options = ReportOptions(masked=masked, choices=choices or Choices(), groups=self.own_groups)
        source = PlotSource(
            report=build_report(self.suite, self.results, options),
            width=None if width is None else inches_of(width),
            cost=cost,
            option=option,
        )
        return Picture(plot(kind, source, picture), picture)

    def _masked(self, masked: bool | None) -> bool:
        return self.suite.protocol.mask_seen if masked is None else masked

    def _repr_html_(self) -> str:
        """Return the answer, the quality and the warnings, for a notebook."""
        return self.report("html", layout=Layout(tables=(*ANSWERS, "quality")))


_PLACE = pl.Schema({"label": pl.String, "dataset": pl.String, "seed": pl.Int64})
"""The columns with which every frame begins."""

FACTS = pl.Schema(
    {
        "model": pl.String(),
        "depth": pl.Int64(),
        "draws": pl.Int64(),
        "parameters": pl.Int64(),
        "flops_per_user": pl.Float64(),
        "train_seconds": pl.Float64(),
        "peak_memory_bytes": pl.Int64(),
        "device": pl.String(),
        "threads": pl.Int64(),
        "started": pl.Datetime("us", "UTC"),
        "ended": pl.Datetime("us", "UTC"),
    }
)
"""Fields of ``trial.json`` that the frame of trials shows."""


def load(
    results: str | Path = "results", suite: str | None = None, groups: str | Path | None = None
) -> LoadedSuite:
    """Open a suite's results.

    Args:
        results: the results folder.
        suite: the suite's name or file; `None`: the one that ran last.
        groups: a CSV or Parquet file with a column ``user`` or ``item`` and columns of categories, see
            :attr:`LoadedSuite.groups`.

    Raises:
        RequestError: there is no such suite, or the file of groups cannot be used.
    """
    layout = Results(Path(results))
    own = None if groups is None else read_group_table(Path(groups))
    return LoadedSuite(find_suite_record(layout, suite), layout, own)


def select_labels(suite: SuiteRecord, names: Sequence[str]) -> list[str]:
    """Return the labels that are named.

    Raises:
        RequestError: one is not the suite's.
    """
    for name in names:
        if name not in suite.labels:
            raise RequestError(
                f'The suite {suite.name} has no label "{name}".', did_you_mean(name, suite.labels)
            )
    return list(names)


def _place(trial: FinishedTrial) -> dict[str, Any]:
    return {"label": trial.cell.label, "dataset": trial.cell.dataset, "seed": trial.cell.seed}


def _known(name: object) -> str:
    """Return the name of a metric.

    Raises:
        RequestError: it is none.
    """
    if not isinstance(name, str):
        raise RequestError(f"{name} is no name of a metric.", 'Write names such as "ndcg@10", "mrr".')
    metric_function(name)
    return name
