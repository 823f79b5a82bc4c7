import re
import sys
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite

from lrbench.report.build import build_report
from lrbench.report.formats.html import Html, _sort_key
from lrbench.report.formats.page.figures import figures
from lrbench.report.report import Report
from lrbench.report.tables import make_sections
from lrbench.store.layout import Results

VOID = {"meta"}


class Strict(HTMLParser):
    """A parser that checks that elements are closed in order, and collects attributes and table cells."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag == "tr":
            self.cells.append(0)
        if tag in ("td", "th"):
            self.cells[-1] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(html_page: str) -> Strict:
    parser = Strict()
    parser.feed(html_page)
    parser.close()
    return parser


def test_well_formed(page: Strict, report: Report) -> None:
    assert page.open == []
    tables = sum(len(section.tables) for section in make_sections(report))
    assert len([tag for tag, _ in page.seen if tag == "table"]) == tables


def test_a_figure_that_would_show_too_much_is_named_with_the_way_out(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrbench.report.plots.style.MOST_LINES", 1)
    told = " ".join(part for part in figures(report) if part.startswith("<p>"))
    assert "No figure “lrbench plot depth”: 2 rows cannot be told apart in one figure; 1 can." in told
    assert "--hide" in told


def test_nothing_is_loaded_from_elsewhere(html_page: str) -> None:
    assert not re.search(r"src=|href=\"(?!#)|url\((?!#)|@import|<script [^>]|https?:", html_page)


def test_readable_on_a_phone_and_by_a_screen_reader(page: Strict, report: Report) -> None:
    tags = [tag for tag, _ in page.seen]
    viewport = [attributes for tag, attributes in page.seen if attributes.get("name") == "viewport"]
    assert viewport[0]["content"] == "width=device-width, initial-scale=1"
    assert ("html", {"lang": "en"}) in page.seen
    assert tags.count("caption") == tags.count("table")
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in page.seen if tag == "th")
    pictures = [attributes for tag, attributes in page.seen if tag == "svg" and "role" in attributes]
    assert len(pictures) == 4 + len(report.comparisons)  # four figures, and a line in each fold
    assert all(attributes["aria-label"] for attributes in pictures)


@pytest.mark.parametrize(("values", "grids"), [(4, 1), (2, 0)])
def test_a_grid_of_at_least_three_values_is_a_figure(report: Report, values: int, grids: int) -> None:
    """Two rows that differ in an option are an ablation."""
    recipes = tuple(
        replace(recipe, model="lares", params={"mean_depth": number % values}, stages=())
        for number, recipe in enumerate(report.provenance.recipes)
    )
    text = "".join(figures(replace(report, provenance=replace(report.provenance, recipes=recipes))))
    assert text.count("<figcaption>NDCG@10 by mean_depth in training</figcaption>") == grids


def test_both_colour_schemes(html_page: str) -> None:
    assert html_page.count("prefers-color-scheme: dark") == 2  # lines, and the rest
    assert "color-scheme: light dark" in html_page


def test_labels_cannot_become_markup(tmp_path: Path) -> None:
    models = [Made("<b>A</b>", 1.0, "lares", depth=1, depths=(1, 2)), Made('"B" & C')]
    suite = make_suite(tmp_path, models, proposed=["<b>A</b>"])
    text = Html().render(build_report(suite, Results(tmp_path)))
    assert "<b>" not in text
    assert "&lt;b&gt;A&lt;/b&gt;" in text
    assert "&quot;B&quot; &amp; C" in text


def test_contents_lead_to_every_section(page: Strict) -> None:
    targets = [attributes["href"] for tag, attributes in page.seen if tag == "a"]
    ids = ["#" + str(attributes["id"]) for tag, attributes in page.seen if tag == "section"]
    assert targets == ids
    assert ids[:2] == ["#answer", "#quality"]
    assert ids[-2:] == ["#figures", "#provenance"]


def test_ids_are_given_once(page: Strict) -> None:
    ids = [attributes["id"] for _, attributes in page.seen if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_a_fold_per_comparison_has_the_other_tests(report: Report, html_page: str) -> None:
    for comparison in report.comparisons:
        who = f"{comparison.proposed} against {comparison.baseline} on {comparison.dataset}"
        assert f"<summary>{escape(who)}: {comparison.verdict}.</summary>" in html_page
    assert html_page.count("Seeds alone, permuted") == len(report.comparisons)
    assert html_page.count("<dt>Variance</dt><dd>users × models ") == len(report.comparisons)
    assert "p = &lt;" not in html_page
    assert "t = -" not in html_page  # a minus sign, as everywhere
    assert any("p &lt; 0.001" in fold for fold in html_page.split("<details>"))


def test_marks_are_explained_where_they_stand(html_page: str) -> None:
    dagger = '<sup><abbr title="the proposed model is significantly better than this row">†</abbr></sup>'
    assert dagger in html_page
    assert '<abbr title="difference of means, proposed minus this row">Δ</abbr>' in html_page


def test_warnings_are_folded(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 1.0), Made("B", 0.9), Made("C", 0.1)], proposed=["A"])
    for cell in suite.trials:
        if cell.seed == 3:
            Results(tmp_path).trial(cell.trial).rename(tmp_path / cell.trial)
    text = Html().render(build_report(suite, Results(tmp_path)))
    assert "<details><summary>3 cases</summary>" in text


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("0.1234", "0.1234"),
        ("−0.5", "-0.5"),
        ("< 0.001", "0.001"),
        ("1.2 M", "1200000.0"),
        ("3 min", "180.0"),
        ("SASRec", "SASRec"),
        ("–", "–"),
    ],
)
def test_columns_sort_by_their_numbers(text: str, key: str) -> None:
    assert _sort_key(text) == key


def test_without_matplotlib_the_page_says_what_is_missing(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("lrbench.report.formats.page.figures.find_spec", lambda name: None)
    assert "Figures need matplotlib" in Html().render(report)
