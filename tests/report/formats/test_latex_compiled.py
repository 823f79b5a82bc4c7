"""TeX sets the tables in the classes of real papers without an overfull box or a float that is too large."""

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite

from lrbench.report.build import ReportOptions, build_report
from lrbench.report.formats import usual_metrics
from lrbench.report.formats.latex import Latex
from lrbench.report.formats.methods.latex import Methods
from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed"),
]

CLASSES = {
    "article": (r"\documentclass{article}", 4.77),
    "IEEEtran": (r"\documentclass{IEEEtran}", "text"),
    "acmart": (r"\documentclass[sigconf,nonacm]{acmart}", "text"),
}
NASTY = r"PLR & friends_50% #1 $x$ {odd} | ~^\ <b>é</b>, “q” α³"
LONG = "A reasoning model whose authors gave it a name that is as long as a sentence and has no end"
UNBROKEN = "Supercalifragilisticexpialidocious_" * 3


@dataclass(frozen=True)
class Case:
    models: tuple[Made, ...]
    datasets: tuple[str, ...] = ("sample",)
    seeds: tuple[int, ...] = (1, 2, 3)
    controls: dict[str, ControlRecord] = field(default_factory=dict)
    proposed: tuple[str, ...] = ("LARES",)


LARES = Made("LARES", 1.7, "lares", depth=2, depths=tuple(range(9)), per_doubling=0.1)
KINDS = ("no-reasoning", "parameter-matched", "flops-matched", "loss-matched", "noise-only")
REASONERS = tuple(f"Reasoner {letter}" for letter in "ABCD")
CASES = {
    "main": Case(
        (*(Made(f"Model number {index}", 0.1 * index) for index in range(21)), LARES),
        ("amazon-2014-beauty", "amazon-2014-sports-and-outdoors", "ml-1m", "sample"),
    ),
    "controls": Case(
        (
            LARES,
            *(Made(name, 1.0 + index / 9) for index, name in enumerate(REASONERS)),
            *(Made(f"{name}: {kind.replace('-', ' ')}", 0.9) for name in REASONERS for kind in KINDS),
        ),
        controls={
            f"{name}: {kind.replace('-', ' ')}": ControlRecord(of=name, control=kind)  # type: ignore[arg-type]
            for name in REASONERS
            for kind in KINDS
        },
    ),
    "one-seed": Case((Made("SASRec", 1.0), LARES), ("sample", "ml-100k"), seeds=(1,)),
    "nasty": Case(
        (Made(NASTY, 1.0), Made(LONG, 0.9), Made(UNBROKEN, 0.8), LARES),
        ("sample", "a_data-set & 50% of it with a name that does not end either"),
        proposed=(NASTY, "LARES"),
    ),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    made = {}
    for name, case in CASES.items():
        root = tmp_path_factory.mktemp(name)
        suite = make_suite(
            root, case.models, case.datasets, case.seeds, case.proposed, controls=case.controls
        )
        options = ReportOptions(metrics=usual_metrics("latex", suite))
        made[name] = build_report(suite, Results(root), options)
    return made


def set_by_tex(text: str, preamble: str, folder: Path) -> str:
    """Return the log of TeX, with its warnings and errors."""
    (folder / "table.tex").write_text(text, encoding="utf-8")
    (folder / "paper.tex").write_text(
        rf"{preamble}\usepackage{{booktabs}}\begin{{document}}\title{{t}}\maketitle text \input{{table}}"
        r"\end{document}",
        encoding="utf-8",
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    log = (folder / "paper.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[-3000:]
    return log


def complaints(log: str) -> list[str]:
    return re.findall(r"^(?:Overfull .*|.*Float too large.*|.*[Mm]issing character.*)$", log, re.MULTILINE)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", [*CLASSES, "column"])
def test_fits_the_page(reports: dict[str, Report], kind: str, case: str, tmp_path: Path) -> None:
    preamble, width = CLASSES.get(kind, (CLASSES["IEEEtran"][0], "column"))
    log = set_by_tex(Latex().render(reports[case], Layout(width=width)), preamble, tmp_path)  # type: ignore[arg-type]
    assert complaints(log) == []


def test_tables_without_seen_items_are_there_if_asked_for(reports: dict[str, Report], tmp_path: Path) -> None:
    report = reports["controls"]
    assert "without seen items" not in Latex().render(report).lower()
    text = Latex().render(report, Layout(width="column", tables=("seen-items",)))
    assert r"\caption{Without seen items.}" in text
    assert complaints(set_by_tex(text, CLASSES["IEEEtran"][0], tmp_path)) == []


@pytest.mark.parametrize("case", ["main", "nasty"])
def test_methods_compile_and_leave_their_references(
    reports: dict[str, Report], case: str, tmp_path: Path
) -> None:
    text = Methods().render(reports[case]).replace("f00d", "fb7aee66e3de8ed5")  # as long as real ones
    assert complaints(set_by_tex(text, CLASSES["IEEEtran"][0], tmp_path)) == []
    assert "@misc{liu2025lares," in (tmp_path / "demo.bib").read_text(encoding="utf-8")


def test_the_judge_sees_what_is_too_wide_and_too_long(reports: dict[str, Report], tmp_path: Path) -> None:
    wide = Latex().render(reports["main"], Layout(width=30.0))
    assert any("Overfull" in line for line in complaints(set_by_tex(wide, CLASSES["article"][0], tmp_path)))
    long = r"\begin{table}a" + r"\par a" * 90 + r"\end{table}"
    assert any("Float" in line for line in complaints(set_by_tex(long, CLASSES["article"][0], tmp_path)))
