"""The syntax of the LaTeX tables, read strictly; test_latex_compiled.py runs TeX itself."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from synthetic_results import Made, make_suite

from lrbench.report.build import build_report
from lrbench.report.formats.latex import Latex
from lrbench.report.formats.tex.fit import fit_grid
from lrbench.report.formats.tex.grid import Column, Grid, GridBlock
from lrbench.report.formats.tex.text import escape, text_width
from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.report.tables import Cell
from lrbench.store.layout import Results

NASTY = r"[α] w/o_RPT & 50% #1 {x}^2 ~$\a|b<c>*R³ é"
ENVIRONMENT = re.compile(r"\\(begin|end)\{([a-z*]+)\}")
ESCAPED = re.compile(r"\\[\\{}$&%#_,]")


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Report:
    root = tmp_path_factory.mktemp("nasty")
    models = [Made(NASTY, 2.0, "lares", depth=1, depths=(1, 2)), Made("*[A]", 1.0)]
    suite = make_suite(root, models, datasets=("sample", "data_set & 50%"), proposed=[NASTY])
    return build_report(suite, Results(root))


def without_comments(text: str) -> str:
    return re.sub(r"(?<!\\)%.*", "", text)


def check_syntax(text: str) -> None:
    """Check balanced braces and environments, escaped special characters, and the columns of every row."""
    open_environments: list[str] = []
    for kind, name in ENVIRONMENT.findall(text):
        if kind == "begin":
            open_environments.append(name)
        else:
            assert open_environments.pop() == name
    assert open_environments == []
    bare = ESCAPED.sub("", text)
    depth = 0
    for sign in bare:
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    outside = re.sub(r"\$[^$]*\$", "", bare)
    assert not re.search(r"[_^#~<>|\"]", outside)
    for columns, body in re.findall(r"\\begin\{tabular\}\{(.*?)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = [line for line in body.strip().splitlines() if line.endswith(r"\\")]
        assert rows
        for row in rows:
            spans = [int(number) for number in re.findall(r"\\multicolumn\{(\d+)\}", row)]
            cells = ESCAPED.sub("", row[:-2]).count("&") + 1
            assert cells + sum(spans) - len(spans) == len(columns.replace(r"@{\,}", ""))
            assert not row.startswith(("[", "*"))


def test_report_is_well_formed(report: Report) -> None:
    check_syntax(without_comments(Latex().render(report)))


def test_nasty_names_are_well_formed(nasty: Report) -> None:
    check_syntax(without_comments(Latex().render(nasty)))


def test_the_check_refuses_what_tex_would() -> None:
    good = r"\begin{tabular}{ll}" + "\n" + r"x & y \\" + "\n" + r"\end{tabular}"
    check_syntax(good)
    for bad in ("x_1 & y", "{x & y", "x & y & z", "x", r"x & y\end{z}", "x & $y", "[x] & y"):
        with pytest.raises((AssertionError, IndexError)):
            check_syntax(good.replace("x & y", bad))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("w/o_RPT & 50%", r"w/o\_RPT \& 50\%"),
        ("a\\b", r"a\textbackslash{}b"),
        ("{~^}", r"\{\textasciitilde{}\textasciicircum{}\}"),
        ("p < 0.001", r"p $<$ 0.001"),
        ("[α] ± †", r"{[}$\alpha$] $\pm$ $\dagger$".replace("]", "{]}")),
        ("LatentR³", "LatentR$^{3}$"),
        ("two\nlines", "two lines"),
    ],
)
def test_escape(text: str, written: str) -> None:
    assert escape(text) == written


def test_best_second_and_daggers(report: Report) -> None:
    text = Latex().render(report, Layout(width=20.0))
    best = next(row for row in report.rows if row.label == "LARES" and row.metric == "ndcg@10")
    assert rf"\textbf{{{best.mean:.4f}}} & {{\scriptsize$\pm$\,{best.sd:.4f}}}" in text
    assert r"\underline{" in text
    assert r"\textsuperscript{$\dagger$}" in text
    assert r"\usepackage{booktabs}" in text.splitlines()[0]


def test_a_script_beyond_the_fonts_is_announced(report: Report) -> None:
    row = replace(report.rows[0], label="推荐")
    cost = replace(report.costs[0], label="推荐")
    rows = tuple(row if r is report.rows[0] else r for r in report.rows)
    costs = tuple(cost if c is report.costs[0] else c for c in report.costs)
    primary = tuple(
        replace(r, label="推荐") if (r.dataset, r.label) == (row.dataset, "Popularity") else r for r in rows
    )
    assert "XeLaTeX" in Latex().render(replace(report, rows=primary, costs=costs))
    assert "XeLaTeX" not in Latex().render(report)


def test_more_tables_than_tex_holds_are_announced(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Latex().render(report)
    tables = text.count(r"\begin{table")
    assert tables > 1
    assert r"\clearpage" not in text
    monkeypatch.setattr("lrbench.report.formats.latex.MOST_WAITING", tables - 1)
    assert f"% Has {tables} tables. Without text between them TeX stops:" in Latex().render(report)


@pytest.mark.parametrize("text", ["w/o_RPT & 50%", "Recall@10", "MiniLM", "±0.0123", "AMAZON"])
def test_widths_are_not_underestimated(text: str) -> None:
    """Courier, the widest common font, has 0.6 em per character; tables are in 8 pt."""
    assert 0.4 * 8 * len(text) < text_width(text) < 0.95 * 8.5 * len(text)


def test_captions_have_at_most_60_words(nasty: Report, report: Report) -> None:
    for text in (Latex().render(nasty), Latex().render(report)):
        captions = re.findall(r"\\caption\{(.*)\}$", text, re.MULTILINE)
        assert captions
        assert max(len(caption.split()) for caption in captions) <= 60


def test_datasets_stand_side_by_side_under_rules(report: Report) -> None:
    text = Latex().render(report, Layout(width=20.0))
    table = text[text.index(r"\begin{tabular}") : text.index(r"\end{tabular}")]
    assert r"\multicolumn{12}{c}{sample (synthetic)} & \multicolumn{12}{c}{amazon-2014-beauty}" in table
    assert r"\cmidrule(lr){2-13}\cmidrule(lr){14-25}" in table
    assert table.count("LARES") == 2  # the row and the one without RPT
    assert r"\resizebox" not in text


def test_what_is_too_wide_goes_into_several_tables_and_nothing_is_lost(report: Report) -> None:
    for width in ("column", 4.77, 12.0):
        text = Latex().render(report, Layout(tables=("quality",), width=width))  # type: ignore[arg-type]
        for row in report.rows:
            assert f"{row.mean:.4f}" in text
            assert row.n_seeds == 1 or f"{row.sd:.4f}" in text
    narrow = Latex().render(report, Layout(tables=("quality",), width="column"))
    assert narrow.count(r"\begin{table}") > 2
    assert "standard deviations" in narrow


def test_spreads_apart_or_nowhere(report: Report) -> None:
    apart = Latex().render(report, Layout(tables=("quality",), width=12.0, spread="table"))
    assert r"\pm" not in apart
    assert apart.count(r"\begin{table*}") == 2
    without = Latex().render(report, Layout(tables=("quality",), width=12.0, spread="none"))
    assert without.count(r"\begin{table*}") == 1


def test_commands_for_headline_numbers(report: Report, nasty: Report) -> None:
    text = Latex().render(report)
    row = next(r for r in report.rows if (r.label, r.metric) == ("SASRec", "ndcg@10"))
    assert rf"\newcommand{{\lrbenchSASRecSampleNdcgOneZero}}{{{row.mean:.4f}}}" in text
    assert r"\newcommand{\lrbenchLARESVsSASRecSampleP}" in text
    names = re.findall(r"\\newcommand\{\\([^}]*)\}", text + Latex().render(nasty))
    assert names
    assert all(name.isalpha() and name.isascii() for name in names)
    for each in (text, Latex().render(nasty)):
        names = re.findall(r"\\newcommand\{\\([^}]*)\}", each)
        assert len(names) == len(set(names))


def test_files_of_single_tables_can_be_included_in_one_paper(report: Report) -> None:
    """LaTeX refuses a command that two files define."""
    files = [Latex().render(report, Layout(tables=(name,))) for name in ("quality", "comparison", "cost")]
    assert ["newcommand" in text for text in files] == [True, False, False]


@pytest.mark.parametrize("words", [[30, 30, 4, 4, 4, 4], [4, 4, 4, 4, 30, 30], [12] * 6])
def test_columns_are_split_into_as_few_tables_as_fit(words: list[int]) -> None:
    columns = tuple(Column("m" * count) for count in words)
    rows = ((Cell("name"), *(Cell("1") for _ in words)),)
    grid = Grid(Column("Model"), columns, (GridBlock("", rows),))
    for width in (grid.width * 0.95, grid.width * 0.6, 1.0):
        parts = [fitted.grid for fitted in fit_grid(grid, width)]
        assert [column for part in parts for column in part.columns] == list(columns)
        assert all(part.width <= width or len(part.columns) == 1 for part in parts)
        for first, second in pairwise(parts):  # one more column would not have fitted, in whatever split
            assert first.width + second.width - second.corner_width > width
