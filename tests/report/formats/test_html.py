import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite

from lrbench.report.build import build_report
from lrbench.report.formats.depth_svg import depth_svg
from lrbench.report.formats.html import Html
from lrbench.report.report import DepthPoint, Report
from lrbench.report.tables import make_sections
from lrbench.store.layout import Results

VOID = {"meta", "path", "circle"}


class Strict(HTMLParser):
    """Every element is closed in order; attributes and table cells are collected."""

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
def page(report: Report) -> Strict:
    parser = Strict()
    parser.feed(Html().render(report))
    parser.close()
    return parser


def test_well_formed(page: Strict, report: Report) -> None:
    assert page.open == []
    tables = sum(len(section.tables) for section in make_sections(report))
    assert len([tag for tag, _ in page.seen if tag == "table"]) == tables


def test_nothing_is_loaded_from_elsewhere(report: Report) -> None:
    text = Html().render(report)
    assert not re.search(r"(src|href)=|url\(|@import|<script|https?:", text)


def test_readable_on_a_phone_and_by_a_screen_reader(page: Strict) -> None:
    tags = [tag for tag, _ in page.seen]
    viewport = [attributes for tag, attributes in page.seen if attributes.get("name") == "viewport"]
    assert viewport[0]["content"] == "width=device-width, initial-scale=1"
    assert ("html", {"lang": "en"}) in page.seen
    assert tags.count("caption") == tags.count("table")
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in page.seen if tag == "th")
    pictures = [attributes for tag, attributes in page.seen if tag == "svg" and "role" in attributes]
    assert len(pictures) == 2
    assert all(attributes["aria-label"] for attributes in pictures)


def test_both_colour_schemes(report: Report) -> None:
    text = Html().render(report)
    assert "prefers-color-scheme: dark" in text
    assert "color-scheme: light dark" in text


def test_labels_cannot_become_markup(tmp_path: Path) -> None:
    models = [Made("<b>A</b>", 1.0, "lares", depth=1, depths=(1, 2)), Made('"B" & C')]
    suite = make_suite(tmp_path, models, proposed=["<b>A</b>"])
    text = Html().render(build_report(suite, Results(tmp_path)))
    assert "<b>" not in text
    assert "&lt;b&gt;A&lt;/b&gt;" in text
    assert "&quot;B&quot; &amp; C" in text


def points(*means: float, sd: float = 0.0) -> list[DepthPoint]:
    return [
        DepthPoint("sample", "A", depth, mean, sd, 3, mean, reported=False, chosen=False)
        for depth, mean in enumerate(means)
    ]


def test_depth_curve_keeps_every_point_inside_the_picture() -> None:
    picture = depth_svg(points(0.0301, 0.0312, 0.0308, sd=0.001), ["A"], "NDCG@10")
    places = [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', picture)]
    assert [x for x, _ in places] == [66, 346, 626]
    assert all(12 <= y <= 256 for _, y in places)
    assert min(places, key=lambda place: place[1]) == places[1]
    labels = re.findall(r'text-anchor="end">([\d.]+)<', picture)
    assert len(labels) == len(set(labels))


def test_flat_depth_curve_has_an_axis() -> None:
    assert 'd="M66.0' in depth_svg(points(0.2, 0.2), ["A"], "NDCG@10")
