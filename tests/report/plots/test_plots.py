import sys
from dataclasses import replace
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text
from synthetic_results import QUICKSTART, Made, make_suite, prepared

from lrbench.config.controls import CONTROLS, Control
from lrbench.errors import RequestError
from lrbench.report.build import ReportOptions, build_report
from lrbench.report.choices import Choices
from lrbench.report.curves import Curve
from lrbench.report.grids import grid_lines
from lrbench.report.palette import COLOURS
from lrbench.report.plots import PLOTS, SETTINGS, PlotSource, plot
from lrbench.report.plots.critical_difference import _diagram, cliques
from lrbench.report.plots.pareto import front
from lrbench.report.plots.style import check_lines, line_style, row_style
from lrbench.report.provenance import StageRecipe, TrainingRecipe
from lrbench.report.report import DepthCost, Report
from lrbench.stats.friedman import Friedman
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord, SuiteRecord
from lrbench.text import one_line

REPORTS: dict[tuple[Path, str], Report] = {}
"""Reports are immutable; each is built once."""


def report_of(suite: SuiteRecord, root: Path, choices: Choices | None = None) -> Report:
    key = (root, repr(choices))
    if key not in REPORTS:
        options = ReportOptions(choices=choices or Choices())
        REPORTS[key] = build_report(suite, Results(root), options, prepared)
    return REPORTS[key]


def source_of(suite: SuiteRecord, root: Path, choices: Choices | None = None, **options: Any) -> PlotSource:
    return PlotSource(report_of(suite, root, choices), **options)


def draw(kind: str, suite: SuiteRecord, root: Path, **options: Any) -> Figure:
    return PLOTS.load(kind)(source_of(suite, root, **options))


KINDS = ("depth", "pareto", "forest", "convergence", "groups")


@pytest.mark.parametrize(
    ("kind", "picture", "start"),
    [*((kind, "pdf", b"%PDF") for kind in KINDS), ("forest", "png", b"\x89PNG"), ("forest", "svg", b"<?xml")],
)
def test_pictures(suite: SuiteRecord, root: Path, kind: str, picture: str, start: bytes) -> None:
    assert plot(kind, source_of(suite, root), picture).startswith(start)


@pytest.mark.parametrize("picture", [pytest.param("pdf", marks=pytest.mark.slow), "svg"])
def test_the_same_results_give_the_same_file(suite: SuiteRecord, root: Path, picture: str) -> None:
    first, second = (plot("depth", source_of(suite, root), picture) for _ in range(2))
    assert first == second


def test_depth_has_a_line_per_label_with_depths(suite: SuiteRecord, root: Path) -> None:
    figure = draw("depth", suite, root)
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["sample", "amazon-2014-beauty"]
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert labels[:2] == ["LARES", "LARES w/o_RPT & 50%"]
    assert len(labels) == 3  # and the level of the best row without depths
    assert figure.axes[0].lines[0].get_xdata().tolist() == [0, 1, 2, 4, 8]


def test_a_label_looks_the_same_in_every_plot(suite: SuiteRecord, root: Path) -> None:
    first = draw("depth", suite, root).axes[0].lines[0].get_color()
    means = [line for line in draw("convergence", suite, root).axes[1].lines if len(line.get_xdata()) == 8]
    assert means[0].get_color() == first
    only = Choices(only=("LARES*",))
    assert draw("depth", suite, root, choices=only).axes[0].lines[0].get_label() == "LARES"


def legend(figure: Figure) -> list[str]:
    return [" ".join(text.get_text().split()) for text in figure.legends[0].get_texts()]


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A baseline that is also LARES's parameter-matched control, and LARES's noise-only control."""
    root = tmp_path_factory.mktemp("controlled")
    lares = Made("LARES", 1.7, "lares", depth=1, depths=(0, 1))
    noise = replace(lares, label="LARES: noise only")
    suite = make_suite(root, [Made("SASRec", 1.0), lares, noise])
    cells = [c.model_copy(update={"label": "matched"}) for c in suite.trials if c.label == "SASRec"]
    controls = {
        "matched": ControlRecord(of="LARES", control="parameter-matched"),
        noise.label: ControlRecord(of="LARES", control="noise-only"),
    }
    labels = (*suite.labels, "matched")
    changes = {"labels": labels, "trials": (*suite.trials, *cells), "controls": controls}
    return build_report(suite.model_copy(update=changes), Results(root))


def test_levels_of_many_controls_are_left_out_whole_and_the_best_row_stays(tmp_path: Path) -> None:
    """The first eight of them would say nothing about the others."""
    lares = Made("LARES", 1.0, "lares", depth=1, depths=(0, 1))
    flat = [Made(f"C{number}", 0.1 * number) for number in range(9)]
    controls = {made.label: ControlRecord(of="LARES", control="no-reasoning") for made in flat}
    suite = make_suite(tmp_path, [lares, *flat, Made("SASRec", 2.0)], controls=controls)
    report = build_report(suite, Results(tmp_path))
    assert sorted(legend(PLOTS.load("depth")(PlotSource(report)))) == ["LARES", "SASRec"]
    few = replace(report, rows=tuple(row for row in report.rows if row.label not in ("C0", "C1")))
    assert len(legend(PLOTS.load("depth")(PlotSource(few)))) == 2 + 7


MATCHED = "SASRec (= LARES's parameter-matched control)"


@pytest.mark.parametrize("kind", ["depth", "pareto"])
def test_one_set_of_ranks_is_drawn_once_under_both_names(controlled: Report, kind: str) -> None:
    figure = PLOTS.load(kind)(PlotSource(controlled))
    assert sorted(legend(figure)) == ["LARES", "LARES: noise only", MATCHED]


def test_forest_has_one_line_for_a_baseline_that_is_a_control(controlled: Report) -> None:
    ticks = PLOTS.load("forest")(PlotSource(controlled)).axes[0].get_yticklabels()
    assert [" ".join(tick.get_text().split()) for tick in ticks] == [MATCHED, "LARES: noise only"]


def test_an_interim_forest_fills_no_marker(controlled: Report) -> None:
    def filled(report: Report) -> int:
        (panel,) = PLOTS.load("forest")(PlotSource(report)).axes
        assert ("(interim)" in panel.get_xlabel()) == report.interim
        return sum(line.get_markerfacecolor() == "#000000" for line in panel.lines)

    assert filled(controlled) > 0
    assert filled(replace(controlled, interim=True)) == 0


def test_controls_have_the_colour_of_their_model(controlled: Report) -> None:
    model, control = (row_style(controlled, label) for label in ("LARES", "LARES: noise only"))
    assert model["color"] == control["color"] == model["markerfacecolor"]
    assert (control["markerfacecolor"], control["marker"] != model["marker"]) == ("white", True)


@pytest.mark.parametrize(("models", "kinds"), [(4, list(CONTROLS)), (10, ["noise-only"])])
def test_models_and_their_controls_look_different(
    controlled: Report, models: int, kinds: list[Control]
) -> None:
    """As many rows as one figure takes: colours are those of the models, and no two rows look alike."""
    names = [f"M{number}" for number in range(models)]
    controls = {f"{name}: {kind}": ControlRecord(of=name, control=kind) for name in names for kind in kinds}
    labels = tuple(label for name in names for label in (name, *(f"{name}: {kind}" for kind in kinds)))
    report = replace(controlled, labels=labels, controls=controls)
    styles = {label: row_style(report, label) for label in labels}
    assert len({tuple(map(str, style.values())) for style in styles.values()}) == len(labels)
    assert all(styles[label]["color"] == styles[record.of]["color"] for label, record in controls.items())
    assert len({styles[name]["color"] for name in names}) == min(models, len(COLOURS))


def test_a_run_that_rows_share_is_drawn_once(controlled: Report) -> None:
    figure = PLOTS.load("convergence")(PlotSource(controlled))
    assert legend(figure) == ["SASRec (also matched)", "LARES (also LARES: noise only)"]
    assert sum(len(line.get_xdata()) == 12 for line in figure.axes[0].lines) == 1  # SASRec


def test_depth_needs_depths(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A")], proposed=[])
    with pytest.raises(RequestError, match="more than one depth"):
        draw("depth", suite, tmp_path)


def test_convergence_has_a_line_per_row_and_a_panel_per_stage(suite: SuiteRecord, root: Path) -> None:
    figure = draw("convergence", suite, root)
    titles = [panel.get_title(loc="left") for panel in figure.axes[:3]]
    assert titles == ["sample, supervised", "sample, spt", "sample, rpt"]
    curves = [line for line in figure.axes[1].lines if len(line.get_xdata()) == 8]
    assert len(curves) == 2
    assert (
        sum(len(line.get_xdata()) == 1 for line in figure.axes[1].lines) == 6
    )  # selected epochs of 2 · 3 runs


def test_convergence_shows_mean_and_range_of_the_runs_that_still_train(controlled: Report) -> None:
    runs = (("SASRec", 1, (0.1, 0.3, 0.2)), ("SASRec", 2, (0.3, 0.5)))
    curves = tuple(
        Curve("sample", label, seed, "supervised", (1, 2, 3)[: len(values)], values, 2)
        for label, seed, values in runs
    )
    (panel,) = PLOTS.load("convergence")(PlotSource(replace(controlled, curves=curves))).axes
    assert panel.lines[0].get_ydata().tolist() == pytest.approx([0.2, 0.4, 0.2])
    (band,) = panel.collections
    assert {tuple(point) for point in band.get_paths()[0].vertices.tolist()} >= {(1, 0.1), (1, 0.3), (3, 0.2)}
    assert [line.get_xydata().tolist() for line in panel.lines[1:]] == [[[2, 0.3]], [[2, 0.5]]]


def test_convergence_of_many_rows_has_a_panel_per_model(controlled: Report) -> None:
    """Colours are those of the kinds of control. A run that rows of one panel share is drawn once."""
    names = [f"M{number}" for number in range(3)]
    controls = {
        f"{name}: {kind}": ControlRecord(of=name, control=kind) for name in names for kind in CONTROLS
    }
    labels = ("alone", *(label for name in names for label in (name, *(f"{name}: {k}" for k in CONTROLS))))
    curves = tuple(
        Curve(
            "sample", label, 1, "supervised", (1, 2), (0.1, 0.2 if label == "M1: loss-matched" else height), 2
        )
        for height, label in enumerate(labels)
    )
    same = replace(curves[labels.index("M1: loss-matched")], label="M1: no-reasoning")
    curves = tuple(same if curve.label == same.label else curve for curve in curves)
    report = replace(controlled, labels=labels, controls=controls, curves=curves)
    figure = PLOTS.load("convergence")(PlotSource(report))
    titles = [" ".join(panel.get_title(loc="left").split()) for panel in figure.axes if panel.get_visible()]
    assert titles == ["alone", "M0", "M1 (loss matched = no reasoning)", "M2"]
    assert legend(figure) == [
        "the model",
        *(kind.replace("-", " ") for kind in CONTROLS if "noise" not in kind),
    ]
    assert [sum(len(line.get_xdata()) == 2 for line in panel.lines) for panel in figure.axes[:4]] == [
        1,
        5,
        4,
        5,
    ]
    assert len({line.get_color() for line in figure.axes[1].lines}) == 5
    some = replace(report, curves=tuple(replace(c, stage=f"s{n}") for n in range(20) for c in curves))
    with pytest.raises(RequestError, match="80 panels cannot be read in one figure"):
        PLOTS.load("convergence")(PlotSource(some))


def test_convergence_needs_epochs(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("P", deterministic=True)], proposed=[])
    with pytest.raises(RequestError, match="has epochs"):
        draw("convergence", suite, tmp_path)


def test_critical_difference_needs_six_datasets(suite: SuiteRecord, root: Path) -> None:
    with pytest.raises(RequestError, match=r"needs 6 datasets .* has 2 and 4"):
        draw("critical-difference", suite, root)


def test_critical_difference_names_mean_ranks(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, QUICKSTART, datasets=[f"set-{number}" for number in range(6)], seeds=[1])
    figure = draw("critical-difference", suite, tmp_path)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "Popularity (4.00)" in texts
    assert any(text.startswith("LARES (1.") for text in texts)


def test_fifteen_rows_of_a_critical_difference_fit_into_a_column() -> None:
    labels = [f"A rather long label, number {number}" for number in range(15)]
    with rc_context(SETTINGS):
        figure = _diagram(Friedman(np.arange(1.0, 16.0), 50.0, 0.001, 8.0), labels, 3.33)
        figure.draw_without_rendering()
    (panel,) = figure.axes
    ticks = [text.get_window_extent() for text in panel.get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in pairwise(ticks))
    names = [text for text in panel.texts if "label" in text.get_text()]
    assert len(names) == len(labels)
    edges = [text.get_window_extent().extents.tolist() for text in names]
    assert min(left for left, *_ in edges) >= 0
    assert max(right for _, _, right, _ in edges) <= figure.bbox.width
    for side in ("left", "right"):
        boxes = sorted(
            text.get_window_extent().extents[[1, 3]].tolist() for text in names if text.get_ha() == side
        )
        assert all(below[1] <= above[0] for below, above in pairwise(boxes))
    assert panel.get_window_extent().width > figure.bbox.width / 4


def test_the_length_of_a_critical_difference_is_named_inside_a_narrow_figure() -> None:
    with rc_context(SETTINGS):
        figure = _diagram(Friedman(np.linspace(1.3, 5.7, 6), 50.0, 0.001, 2.0), list("ABCDEF"), 2.0)
        figure.draw_without_rendering()
    (name,) = (text for text in figure.axes[0].texts if "critical" in text.get_text())
    assert name.get_window_extent().x1 <= figure.bbox.width


def test_no_bars_where_friedman_does_not_reject() -> None:
    ranks = np.array([1.9, 2.0, 2.1])
    shown, none = (
        len(_diagram(Friedman(ranks, 5.0, p, 1.0), ["A", "B", "C"], 7.0).axes[0].lines) for p in (0.01, 0.4)
    )
    assert shown == none + 1


def test_cliques_are_the_widest_and_none_lies_in_another() -> None:
    assert cliques([1.0, 1.5, 2.2, 4.0], 1.0) == [(1.0, 1.5), (1.5, 2.2)]
    assert cliques([1.0, 1.4, 1.8, 4.0], 1.0) == [(1.0, 1.8)]
    assert cliques([1.0, 3.0], 1.0) == []


def test_pareto_names_models_without_a_count_instead_of_drawing_them(suite: SuiteRecord, root: Path) -> None:
    panel = draw("pareto", suite, root).axes[0]
    places = [points[0].get_xdata()[0] for points in panel.containers]
    assert [points.get_label() for points in panel.containers] == ["SASRec", "LARES", "LARES w/o_RPT & 50%"]
    assert min(places) == 2.5e6 + 6e5
    assert panel.get_xlabel().replace("\n", " ") == "FLOPs per user (not known: Popularity)"


def test_pareto_against_training_and_latency(suite: SuiteRecord, root: Path) -> None:
    panel = draw("pareto", suite, root, cost="training").axes[0]
    assert len(panel.containers) == 4
    with pytest.raises(RequestError, match=r"time per 1,000 users.*--cost flops or training"):
        draw("pareto", suite, root, cost="latency")


def test_pareto_has_a_curve_where_costs_are_known_by_depth(suite: SuiteRecord, root: Path) -> None:
    source = source_of(suite, root)
    by_depth = tuple(
        DepthCost(depth, 1e6 * (1 + depth), {256: 0.1 * (1 + depth)}) for depth in (0, 1, 2, 4, 8)
    )
    costs = tuple(
        replace(c, by_depth=by_depth, depth=4) if c.label == "LARES" else c for c in source.report.costs
    )
    source = replace(source, report=replace(source.report, costs=costs))
    curves = [line for line in PLOTS.load("pareto")(source).axes[0].lines if len(line.get_xdata()) == 5]
    assert [list(line.get_xdata()) for line in curves[:1]] == [[1e6, 2e6, 3e6, 5e6, 9e6]]
    panel = PLOTS.load("pareto")(replace(source, cost="latency")).axes[0]
    assert [points[0].get_xdata()[0] for points in panel.containers] == [0.5]


def test_pareto_needs_a_count(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("P", deterministic=True)], proposed=[])
    with pytest.raises(RequestError, match="No row of suite demo has a known cost"):
        draw("pareto", suite, tmp_path)


def test_front_keeps_what_nothing_cheaper_beats() -> None:
    assert front(np.array([1.0, 2.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.3, 0.2, 0.25, 0.4])) == [0, 1, 4]


def test_groups_show_differences_with_intervals(suite: SuiteRecord, root: Path) -> None:
    figure = draw("groups", suite, root)
    assert len(figure.axes) == 4
    finding = report_of(suite, root).groups[0]
    panel = figure.axes[0]
    ticks = [text.get_text() for text in panel.get_xticklabels()]
    sizes = [int(tick.split("(")[1].rstrip(")")) for tick in ticks]
    assert sizes == [group.n_users for group in finding.groups]
    points, _, (bars,) = panel.containers[0]
    assert list(points.get_ydata()) == [group.contrast.difference for group in finding.groups]
    spans = [tuple(segment[:, 1]) for segment in bars.get_segments()]
    for span, group in zip(spans, finding.groups, strict=True):
        assert span == pytest.approx(group.contrast.interval())


def test_groups_say_what_is_missing(suite: SuiteRecord, root: Path, tmp_path: Path) -> None:
    source = source_of(suite, root)
    lacking = replace(source.report, groups=(), groups_lacking={"sample": "different"})
    with pytest.raises(RequestError, match="sample: the prepared data is not the data"):
        PLOTS.load("groups")(replace(source, report=lacking))


def test_forest_has_a_line_per_comparison(suite: SuiteRecord, root: Path) -> None:
    figure = draw("forest", suite, root)
    report = report_of(suite, root)
    for panel, dataset in zip(figure.axes, ("sample", "amazon-2014-beauty"), strict=True):
        here = [c for c in report.comparisons if c.dataset == dataset]
        assert [text.get_text() for text in panel.get_yticklabels()] == [c.baseline for c in here]
        spans = [line.get_xdata() for line in panel.lines if len(line.get_xdata()) == 2][1:]
        assert [tuple(span) for span in spans] == [c.contrast.interval() for c in here]
        assert panel.get_xlabel().replace("\n", " ") == "NDCG@10, LARES minus the row"


@pytest.mark.parametrize("width", [None, 3.33])
def test_long_names_of_a_forest_do_not_overlap(tmp_path: Path, width: float | None) -> None:
    baselines = [
        Made(f"LARES with a quite different choice, variant {number}", number) for number in range(3)
    ]
    datasets = ("sample", "amazon-2014-beauty")
    suite = make_suite(tmp_path, [Made("LARES", 2.0), *baselines], datasets=datasets)
    with rc_context(SETTINGS):
        figure = draw("forest", suite, tmp_path, width=width)
        figure.draw_without_rendering()
    for panel in figure.axes:
        boxes = [text.get_window_extent() for text in panel.get_yticklabels()]
        assert all(lower.y1 <= upper.y0 for upper, lower in pairwise(boxes))
    broken = [text.get_text().count("\n") for text in figure.axes[0].get_yticklabels()]
    assert broken == [2] * 3  # a panel alone in its row has lines as long as one of two in a wider figure


def test_forest_needs_a_test(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("LARES"), Made("B")], seeds=[1])
    with pytest.raises(RequestError, match="no declared comparison that can be tested"):
        draw("forest", suite, tmp_path)


def recipes(*options: dict[str, Any], **training: Any) -> tuple[TrainingRecipe, ...]:
    return tuple(
        TrainingRecipe(
            "sample", f"row {number}", "lares", params, (StageRecipe("spt", training),), 1, 1, (1,)
        )
        for number, params in enumerate(options)
    )


def test_rows_that_differ_in_one_option_are_one_line() -> None:
    made = recipes(
        {"mean_depth": 4, "width": 8}, {"mean_depth": 1, "width": 8}, {"mean_depth": 4, "width": 16}
    )
    labels = ("row 0", "row 1", "row 2")
    assert grid_lines(made, "mean_depth", labels) == {"row 0": [(1.0, "row 1"), (4.0, "row 0")]}
    assert grid_lines(made, "width", labels) == {"row 0": [(8.0, "row 0"), (16.0, "row 2")]}
    assert grid_lines(made, "mean_depth", labels[1:]) == {}
    assert grid_lines(made, "training.max_epochs", labels) == {}


def grid_of(suite: SuiteRecord, root: Path, values: int) -> PlotSource:
    source = source_of(suite, root, option="mean_depth")
    made = tuple(
        replace(recipe, model="lares", params={"mean_depth": number % values}, stages=())
        for number, recipe in enumerate(source.report.provenance.recipes)
    )
    provenance = replace(source.report.provenance, recipes=made)
    return replace(source, report=replace(source.report, provenance=provenance))


def test_the_axis_of_whole_numbers_has_no_fractions(suite: SuiteRecord, root: Path) -> None:
    panel = PLOTS.load("grid")(grid_of(suite, root, values=2)).axes[0]
    assert all(tick == int(tick) for tick in panel.get_xticks())


def test_a_grid_is_drawn_over_its_option(suite: SuiteRecord, root: Path) -> None:
    source = grid_of(suite, root, values=4)
    panel = PLOTS.load("grid")(source).axes[0]
    means = {r.label: r.mean for r in source.report.rows if (r.dataset, r.metric) == ("sample", "ndcg@10")}
    assert list(panel.containers[0][0].get_xdata()) == [0, 1, 2, 3]
    assert list(panel.containers[0][0].get_ydata()) == [means[label] for label in source.report.labels]
    with pytest.raises(RequestError, match='Did you mean "mean_depth"'):
        PLOTS.load("grid")(replace(source, option="mean_deph"))


NASTY = ("$\\x$", "$x$ & _y_", "_hidden", "a\x1b[31m", "%d {0}", "<b>")


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> tuple[SuiteRecord, Path]:
    root = tmp_path_factory.mktemp("nasty")
    models = [Made(label, 1.0 / (1 + n), "lares", depth=1, depths=(0, 1)) for n, label in enumerate(NASTY)]
    return make_suite(root, models, proposed=[NASTY[0]]), root


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_shown_as_they_are(nasty: tuple[SuiteRecord, Path], kind: str) -> None:
    picture = plot(kind, source_of(*nasty), "svg").decode()
    shown = [label for label in NASTY if escape(one_line(label), quote=False) in picture]
    assert len(shown) >= (2 if kind == "groups" else 6)  # groups show the reference alone


@pytest.mark.parametrize(
    "width", [3.33, *(pytest.param(width, marks=pytest.mark.slow) for width in (7.0, 4.5))]
)
def test_figures_have_their_printed_width(suite: SuiteRecord, root: Path, width: float) -> None:
    for kind in KINDS:
        assert draw(kind, suite, root, width=width).get_figwidth() == width
    picture = plot("depth", source_of(suite, root, width=width), "svg").decode()
    assert f'width="{72 * width:g}pt"' in picture


@pytest.mark.parametrize("kind", KINDS)
def test_long_titles_stay_in_the_figure(kind: str, tmp_path: Path) -> None:
    """Two proposed rows: the names of both rows of a comparison then narrow the panel of a forest."""
    models = [
        Made("A model that reasons", 1.0, "lares", depth=1, depths=(0, 1)),
        Made("Another that reasons", 0.9, "lares", depth=1, depths=(0, 1)),
        Made("The baseline"),
    ]
    proposed = [made.label for made in models[:2]]
    suite = make_suite(tmp_path, models, ["amazon-2014-musical-instruments"], proposed=proposed)
    with rc_context(SETTINGS):
        figure = draw(kind, suite, tmp_path)
        figure.draw_without_rendering()
    titles = [title for panel in figure.axes for title in panel.get_children() if isinstance(title, Text)]
    assert any("instruments" in title.get_text() for title in titles)
    assert all(title.get_window_extent().x1 <= figure.bbox.x1 for title in titles if title.get_text())


def test_24_lines_are_distinct_and_more_are_refused() -> None:
    styles = {
        tuple(sorted((name, str(value)) for name, value in line_style(index).items())) for index in range(24)
    }
    assert len(styles) == 24
    without_colour = {(line_style(i)["marker"], line_style(i)["linestyle"], i >= 7) for i in range(24)}
    assert len(without_colour) > 12
    check_lines(24)
    with pytest.raises(RequestError, match="25 rows cannot be told apart"):
        check_lines(25)


def test_hidden_rows_leave_no_critical_difference(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, QUICKSTART, datasets=[f"set-{number}" for number in range(6)], seeds=[1])
    with pytest.raises(RequestError, match="ranks all rows"):
        draw("critical-difference", suite, tmp_path, choices=Choices(hide=("SASRec",)))


@pytest.mark.parametrize(
    ("kind", "picture", "message"),
    [("dept", "pdf", 'Did you mean "depth"'), ("depth", "jpeg", '"jpeg" is no format')],
)
def test_wrong_requests(suite: SuiteRecord, root: Path, kind: str, picture: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        plot(kind, source_of(suite, root), picture)


def test_without_matplotlib(suite: SuiteRecord, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RequestError, match=r"pip install 'lrbench\[plots\]'"):
        plot("depth", source_of(suite, root), "pdf")


@pytest.mark.parametrize("kind", ["depth", "pareto", "convergence"])
def test_dollar_signs_in_labels_are_text(kind: str, tmp_path: Path) -> None:
    labels = (r"R $\foo$", "costs $5 and $6", "a_b^c [w/o RPT]")
    models = [Made(label, 1.0, "lares", depth=2, depths=(0, 1, 2)) for label in labels]
    suite = make_suite(tmp_path, models, seeds=[1, 2], proposed=[])
    assert plot(kind, source_of(suite, tmp_path), "svg").count(b"$5 and $6")


@pytest.mark.parametrize("width", [2.0, 3.5])
@pytest.mark.parametrize("kind", KINDS)
def test_texts_stay_in_a_narrow_figure_and_ticks_apart(
    suite: SuiteRecord, root: Path, kind: str, width: float
) -> None:
    with rc_context(SETTINGS):
        figure = draw(kind, suite, root, width=width)
        figure.draw_without_rendering()
    panels = [panel for panel in figure.axes if panel.get_visible()]
    texts = [text for legend in figure.legends for text in legend.get_texts()]
    for panel in panels:
        texts += [panel.xaxis.label, panel.yaxis.label, panel.title, panel._left_title]  # type: ignore[attr-defined]
        seen = [text for text in panel.get_xticklabels() if text.get_text() and inside(text, panel)]
        texts += seen
        boxes = sorted((text.get_window_extent() for text in seen), key=lambda box: float(box.x0))
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes)), [text.get_text() for text in seen]
    for text in filter(Text.get_text, texts):
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.x1 <= figure.bbox.width + 1, text.get_text()


def inside(tick: Text, panel: Any) -> bool:
    """Whether a tick lies on the axis, so that it is drawn."""
    low, high = sorted(panel.get_xlim())
    return bool(low <= tick.get_position()[0] <= high)
