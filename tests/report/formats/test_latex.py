"""LaTeX compiles as it is; where no TeX is installed a strict reading of its syntax stands in."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite

from lrbench.report.build import build_report
from lrbench.report.formats.latex import Latex, escape
from lrbench.report.report import Report
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
    """Balanced braces and environments, no bare special sign, the right number of columns in every row."""
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
    outside = re.sub(r"\$[^$]*\$", "", bare).replace(r"\ifdim\width>\textwidth", "")
    assert not re.search(r"[_^#~<>|\"]", outside)
    for columns, body in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = [line for line in body.strip().splitlines() if line.endswith(r"\\")]
        assert rows
        for row in rows:
            width = re.match(r"\\multicolumn\{(\d+)\}", row)
            assert (int(width[1]) if width else ESCAPED.sub("", row[:-2]).count("&") + 1) == len(columns)
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


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("which", ["report", "nasty"])
def test_compiles(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    (tmp_path / "table.tex").write_text(Latex().render(request.getfixturevalue(which)), encoding="utf-8")
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs}\usepackage{graphicx}"
        r"\begin{document}\input{table}\end{document}",
        encoding="utf-8",
    )
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


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
    text = Latex().render(report)
    best = next(row for row in report.rows if row.label == "LARES" and row.metric == "ndcg@10")
    assert rf"\textbf{{{best.mean:.4f}}} {{\scriptsize$\pm$\,{best.sd:.4f}}}" in text
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
