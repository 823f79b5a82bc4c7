"""The published audit: its archives give its reports again, and its pages have the reports' numbers."""

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from desk import Desk

REPOSITORY = Path(__file__).parents[2]
AUDIT = REPOSITORY / "results" / "audit"
CONFIRMATION = REPOSITORY / "results" / "audit-confirmation" / "README.md"

PAGES = [*sorted(AUDIT.glob("*/README.md")), CONFIRMATION]
"""One page of each dataset."""

OVER_DATASETS = AUDIT / "over-datasets.md"

METRICS = AUDIT / "metrics.md"

SEEN_ITEMS = AUDIT / "seen-items.md"
"""The page with the last three tables of each dataset."""

SECTIONS = {
    "musical-instruments": "Musical Instruments",
    "ml-100k": "MovieLens-100K",
    "audit-confirmation": "MovieLens-1M",
}
"""Folder of a dataset's page → how the pages over datasets name it."""


def commands(page: Path) -> list[list[str]]:
    """The commands that repeat a page's report, without the word lrbench and without the redirection."""
    found = re.search(r"## Repeat it\n\n```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    lines = [shlex.split(line, comments=True) for line in found[1].splitlines()]
    return [line[1 : line.index(">") if ">" in line else None] for line in lines]


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Desk]:
    """Returns a folder in which the archive of a page was imported."""
    desks: dict[Path, Desk] = {}

    def desk(page: Path) -> Desk:
        if page not in desks:
            desks[page] = Desk(tmp_path_factory.mktemp("audit"))
            desks[page].environment["LRBENCH_MIRROR"] = os.environ["LRBENCH_MIRROR"]
            for command in commands(page)[:-1]:
                words = (str(REPOSITORY / word) if word.startswith("results/") else word for word in command)
                desks[page].run(*words)
        return desks[page]

    return desk


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_archive_gives_the_report_byte_for_byte(page: Path, repeated: Callable[[Path], Desk]) -> None:
    report = repeated(page).run(*commands(page)[-1]).stdout
    assert report == (page.parent / "report.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("page", (*PAGES, OVER_DATASETS), ids=lambda page: page.parent.name)
def test_the_page_has_the_tables_of_the_report(page: Path, repeated: Callable[[Path], Desk]) -> None:
    desk = repeated(page)
    _, suite, *options = commands(page)[-1]
    folder = options[options.index("--results") + 1]
    content = desk.run("report", suite, "--results", folder, "--format", "json").stdout
    (report := desk.folder / "report.json").write_text(content, encoding="utf-8")
    made = subprocess.run(
        [sys.executable, AUDIT / "tables.py", report], capture_output=True, check=True, encoding="utf-8"
    ).stdout
    there, unseen = (tables(each.read_text(encoding="utf-8")) for each in (page, SEEN_ITEMS))
    wanted = tables(made)
    assert len(wanted) == (4 if page == OVER_DATASETS else 10)
    assert [table for table in wanted[:7] if table not in there] == []
    assert [table for table in wanted[7:] if table not in unseen] == []
    if page != OVER_DATASETS:
        found = json.loads(content)
        caption = next(sentence for sentence in found["caption"] if "items that users have seen" in sentence)
        changed, verdicts, depends = re.findall(r"(\d+) of (\d+) verdicts.*, (\d+) of them", caption)[0]
        (line,) = [cells for cells in _rows(SEEN_ITEMS) if cells[0].startswith(SECTIONS[page.parent.name])]
        assert line[1:] == [verdicts, changed, depends]


@pytest.mark.slow
@pytest.mark.real_data
def test_the_archive_gives_the_comparison_of_metrics(repeated: Callable[[Path], Desk]) -> None:
    """The smaller dataset is enough: one script makes both sections."""
    desk = repeated(AUDIT / "ml-100k" / "README.md")
    made = subprocess.run(
        [sys.executable, REPOSITORY / "benchmarks" / "metric_power.py", "audited-ml-100k=audit"],
        capture_output=True,
        check=True,
        cwd=desk.folder,
        encoding="utf-8",
    ).stdout
    (section,) = re.findall(r"^## audit: ml-100k$.*", made, re.MULTILINE | re.DOTALL)
    assert section.rstrip() in METRICS.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("audit", '"audit" names no suite in a folder'),
        ("nowhere=audit", "was never run with results in nowhere"),
    ],
)
def test_a_comparison_of_metrics_refuses_what_is_not_there(named: str, said: str, tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, REPOSITORY / "benchmarks" / "metric_power.py", named],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        encoding="utf-8",
    )
    assert made.returncode == 2
    assert said in made.stderr
    assert "Traceback" not in made.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "is no report of lrbench. Make it with --format json."),
        ("[]", "is no report of lrbench"),
        ("not JSON", "is no report of lrbench"),
        ('{"datasets": [{"name": "a"}, {"name": "b"}]}', "is no report of lrbench"),
    ],
)
def test_tables_of_another_file_are_refused(content: str, said: str, tmp_path: Path) -> None:
    (file := tmp_path / "report.json").write_text(content, encoding="utf-8")
    made = subprocess.run(
        [sys.executable, AUDIT / "tables.py", file], capture_output=True, check=False, encoding="utf-8"
    )
    assert made.returncode == 2
    assert said in made.stderr
    assert "Traceback" not in made.stderr


@pytest.mark.parametrize(
    "page",
    (AUDIT / "README.md", OVER_DATASETS, SEEN_ITEMS, *PAGES),
    ids=lambda page: f"{page.parent.name}-{page.stem}",
)
def test_figures_in_sentences_stand_in_a_table(page: Path) -> None:
    """A table is bound to the archive. So a sentence must not say what no table says any more."""
    sources = (*PAGES, OVER_DATASETS, SEEN_ITEMS) if page.parent == AUDIT else (page,)
    there = " ".join((*map(_tables_only, sources), _plain("\n".join(tables(METRICS.read_text("utf-8"))))))
    sentences = _plain(re.sub(r"^ *\|.*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE))
    known = {float(figure) for figure in FIGURE.findall(there)}
    stray = [text for text in FIGURE.findall(sentences) if not _rounds_to(text, known)]
    assert stray == []
    assert [interval for interval in INTERVAL.findall(sentences) if interval not in there] == []


FIGURE = re.compile(r"[+-]?\.\d{3,4}\b")
INTERVAL = re.compile(r"\[[+-][.\d]+, [+-][.\d]+\]")


def _tables_only(page: Path) -> str:
    """The tables of a page and of its report, in which escaped brackets and leading zeros are removed."""
    files = (page, page.parent / "report.md") if page in PAGES else (page,)
    texts = [file.read_text(encoding="utf-8") for file in files]
    return _plain("\n".join(table for text in texts for table in tables(text)))


def _plain(text: str) -> str:
    text = text.replace("−", "-").replace("\\", "")
    return " ".join(re.sub(r"(?<!\d)0\.", ".", text).split())


def _rounds_to(figure: str, known: set[float]) -> bool:
    """Whether a known number has this figure as its rounding; a figure without a sign is a size."""
    signed, slack = figure[0] in "+-", 0.5001 * 10.0 ** -len(figure.split(".")[1])
    return any(abs((each if signed else abs(each)) - float(figure)) <= slack for each in known)


def test_lists_hold_targets_as_often_as_the_report_says() -> None:
    """At the reported depth a hit rate is the row's Recall@10. Lists are those of one draw of the noise."""
    of_rows = [line for line in _rows(AUDIT / "lists.md") if len(line) == 6 and line[1].isdigit()]
    lists = {row: cells[1] for row, *cells in of_rows}  # a row's last depth is the reported one
    report = [line for line in _rows(AUDIT / "ml-100k" / "report.md") if len(line) == 3]
    for row, hit_rate in lists.items():
        (recall,) = [cells[1] for name, *cells in report if name.partition(" (=")[0] == row]
        hit, expected = (re.findall(r"\.\d{4}", _plain(text)) for text in (hit_rate, recall))
        if row.startswith(("LARES", "DiffuReason")):
            assert float(hit[0]) == pytest.approx(float(expected[0]), abs=0.0015)
        else:
            assert hit == expected
    assert len(lists) > 15


def _rows(page: Path) -> list[list[str]]:
    """The cells of all tables of a page, line by line."""
    lines = "".join(tables(page.read_text(encoding="utf-8"))).splitlines()
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]


def test_the_readme_quotes_the_answer_of_the_report() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (quoted,) = re.findall(r"```text\n(1 Better\? Shown .*?)```", readme, re.DOTALL)
    report = (AUDIT / "musical-instruments" / "report.md").read_text(encoding="utf-8").replace("**", "")
    assert " ".join(quoted.split()) in " ".join(report.split())


@pytest.mark.slow
@pytest.mark.real_data
def test_who_imports_the_confirmatory_test_trains_nothing(repeated: Callable[[Path], Desk]) -> None:
    """Its searches and trials are those of the suite as it ships."""
    planned = repeated(CONFIRMATION).run("run", "audit-confirmation", "--results", "confirmed", "--dry-run")
    assert "Tuning: 0 of 4 searches to run" in planned.stdout
    assert "25 trials, 0 to run." in planned.stdout


OF_ERL = {"no steps": "no reasoning", "operations": "flops matched", "losses": "loss matched"}
"""The word of the page → the control in the report."""


@pytest.mark.slow
@pytest.mark.real_data
def test_the_page_of_the_confirmatory_test_has_the_ranks_without_seen_items(
    repeated: Callable[[Path], Desk],
) -> None:
    with_them, without = (
        json.loads(
            repeated(CONFIRMATION)
            .run(
                *("report", "audit-confirmation", "--results", "confirmed", "--format", "json"),
                *("--metrics", "ndcg@10,recall@1", history),
            )
            .stdout
        )
        for history in ("--unmasked", "--masked")
    )
    row_of = {label: f"ERL: {control}" for label, control in OF_ERL.items()} | {"ERL": "ERL", "HSTU": "HSTU"}
    shown = {line[0]: line[1:] for line in _rows(CONFIRMATION) if len(line) == 7 and line[0] in row_of}
    assert list(shown) == ["ERL", "no steps", "operations", "losses", "HSTU"]
    for name, label in row_of.items():
        means = [
            next(row["mean"] for row in report["rows"] if (row["label"], row["metric"]) == (label, metric))
            for metric in ("recall@1", "ndcg@10")
            for report in (with_them, without)
        ]
        assert shown[name][:4] == [_plain(f"{mean:.4f}") for mean in means]
    compared = {found["baseline"]: found for found in without["comparisons"] if found["proposed"] == "ERL"}
    for name, label in row_of.items():
        if name != "ERL":
            assert _plain(shown[name][4]) == _interval(compared[label])
            p = compared[label]["p"]
            assert shown[name][5] == ("< .001" if p < 0.001 else _plain(f"{p:.3f}"))


@pytest.mark.slow
@pytest.mark.real_data
def test_the_confirmatory_page_has_the_recall_of_the_report(repeated: Callable[[Path], Desk]) -> None:
    content = repeated(CONFIRMATION).run(
        *("report", "audit-confirmation", "--results", "confirmed", "--format", "json"),
        *("--metrics", "ndcg@10,recall@10"),
    )
    found = {each["baseline"]: each for each in json.loads(content.stdout)["descriptive"]}
    shown = {line[0]: line[1:] for line in _rows(CONFIRMATION) if len(line) == 4 and line[0] in OF_ERL}
    assert list(shown) == ["no steps", "operations"]
    for name, cells in shown.items():
        each = found[f"ERL: {OF_ERL[name]}"]
        means = [_plain(f"{each[side]:.4f}") for side in ("proposed_mean", "baseline_mean")]
        assert [_plain(cell) for cell in cells] == [*means, _interval(each)]


@pytest.mark.slow
@pytest.mark.real_data
def test_the_confirmatory_page_has_all_three_datasets(repeated: Callable[[Path], Desk]) -> None:
    names = {SECTIONS[page.parent.name]: page for page in PAGES}
    shown = {line[0]: line[1:] for line in _rows(CONFIRMATION) if len(line) == 5 and line[0] in names}
    for name, page in names.items():
        _, suite, *options = commands(page)[-1]
        folder = options[options.index("--results") + 1]
        content = repeated(page).run("report", suite, "--results", folder, "--format", "json").stdout
        report = json.loads(content)
        declared, without = (
            next(each for each in report[part] if each["baseline"] == "ERL: no reasoning")
            for part in ("comparisons", "without_seen_items")
        )
        p = "< .001" if without["p"] < 0.001 else _plain(f"{without['p']:.3f}")
        users = f"{report['datasets'][0]['n_users']:,}"
        assert [_plain(cell) for cell in shown[name]] == [users, _interval(declared), _interval(without), p]


def _interval(found: dict[str, float]) -> str:
    value, low, high = (found[key] for key in ("difference", "ci_low", "ci_high"))
    return _plain(f"{value:+.4f} [{low:+.4f}, {high:+.4f}]")


def tables(text: str) -> list[str]:
    """The tables of a text in Markdown. Those within lists are indented."""
    return [textwrap.dedent(table) for table in re.findall(r"(?:^ *\|.*\n)+", text, re.MULTILINE)]
