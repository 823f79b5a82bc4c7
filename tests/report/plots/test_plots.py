import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from synthetic_results import QUICKSTART, USERS, Made, make_suite, prepared

from lrbench.errors import CheckError, RequestError
from lrbench.report.plots import PLOTS, PlotSource, plot
from lrbench.report.plots.critical_difference import _diagram, cliques
from lrbench.report.plots.groups import quartiles
from lrbench.report.plots.pareto import front
from lrbench.stats.friedman import Friedman
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord


def source_of(suite: SuiteRecord, root: Path) -> PlotSource:
    return PlotSource(suite, Results(root), masked=False, prepared=prepared)


def draw(kind: str, suite: SuiteRecord, root: Path) -> Figure:
    return PLOTS.load(kind)(source_of(suite, root))


@pytest.mark.parametrize("kind", ["depth", "pareto", "convergence", "groups"])
@pytest.mark.parametrize(("picture", "start"), [("pdf", b"%PDF"), ("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_pictures(suite: SuiteRecord, root: Path, kind: str, picture: str, start: bytes) -> None:
    assert plot(kind, source_of(suite, root), picture).startswith(start)


@pytest.mark.parametrize("picture", ["pdf", "svg"])
def test_the_same_results_give_the_same_file(suite: SuiteRecord, root: Path, picture: str) -> None:
    first, second = (plot("depth", source_of(suite, root), picture) for _ in range(2))
    assert first == second


def test_depth_has_a_line_per_label_with_depths(suite: SuiteRecord, root: Path) -> None:
    figure = draw("depth", suite, root)
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["sample", "amazon-2014-beauty"]
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert labels == ["LARES", "LARES w/o_RPT & 50%"]
    assert figure.axes[0].lines[0].get_xdata().tolist() == [0, 1, 2, 4, 8]


def test_a_label_looks_the_same_in_every_plot(suite: SuiteRecord, root: Path) -> None:
    colours = set()
    for kind in ("depth", "convergence"):
        lines = draw(kind, suite, root).axes[0].lines
        colours |= {line.get_color() for line in lines if line.get_label() == "LARES"}
    assert len(colours) == 1


def test_depth_needs_depths(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A")], proposed=[])
    with pytest.raises(RequestError, match="more than one depth"):
        draw("depth", suite, tmp_path)


def test_convergence_has_a_line_per_run_and_a_panel_per_stage(suite: SuiteRecord, root: Path) -> None:
    figure = draw("convergence", suite, root)
    titles = [panel.get_title(loc="left") for panel in figure.axes[:3]]
    assert titles == ["sample, supervised", "sample, spt", "sample, rpt"]
    curves = [line for line in figure.axes[1].lines if len(line.get_xdata()) == 8]
    assert len(curves) == 6


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


def test_no_bars_where_friedman_does_not_reject() -> None:
    ranks = np.array([1.9, 2.0, 2.1])
    shown, none = (
        len(_diagram(Friedman(ranks, 5.0, p, 1.0), ["A", "B", "C"]).axes[0].lines) for p in (0.01, 0.4)
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
    assert panel.get_xlabel() == "FLOPs per user (not counted: Popularity)"


def test_pareto_needs_a_count(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("P", deterministic=True)], proposed=[])
    with pytest.raises(RequestError, match=r"products of matrices.*lrbench report demo --results"):
        draw("pareto", suite, tmp_path)


def test_front_keeps_what_nothing_cheaper_beats() -> None:
    assert front(np.array([1.0, 2.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.3, 0.2, 0.25, 0.4])) == [0, 1, 4]


def test_quartiles_keep_equal_values_together() -> None:
    groups, names = quartiles(np.array([2, 2, 2, 2, 3, 4, 5, 9]))
    assert groups.tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    assert names == ["2\n(4)", "3–4\n(2)", "5–9\n(2)"]


def test_groups_show_the_mean_of_their_users(suite: SuiteRecord, root: Path) -> None:
    figure = draw("groups", suite, root)
    assert len(figure.axes) == 4
    ticks = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert sum(int(tick.split("(")[1].rstrip(")")) for tick in ticks) == USERS


def test_groups_refuse_other_data(suite: SuiteRecord, root: Path) -> None:
    source = PlotSource(suite, Results(root), False, lambda name: prepared(name, "beef"))
    with pytest.raises(CheckError, match="has fingerprint beef, not f00d"):
        PLOTS.load("groups")(source)


@pytest.mark.parametrize(
    ("kind", "picture", "message"),
    [("dept", "pdf", 'Did you mean "depth"'), ("depth", "jpeg", '"jpeg" is no format')],
)
def test_wrong_requests(suite: SuiteRecord, root: Path, kind: str, picture: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        plot(kind, source_of(suite, root), picture)


def test_nothing_finished(suite: SuiteRecord, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="No trial of suite demo is finished"):
        draw("pareto", suite, tmp_path)


def test_without_matplotlib(suite: SuiteRecord, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RequestError, match=r"pip install 'lrbench\[plots\]'"):
        plot("depth", source_of(suite, root), "pdf")
