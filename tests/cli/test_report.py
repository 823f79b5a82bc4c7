"""``lrbench report``, ``compare``, ``plot``, ``status`` and ``list trials`` as a person types them."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from synthetic_results import Made, make_suite
from typer.testing import CliRunner, Result

from lrbench.cli.compare import compare
from lrbench.cli.listing import listing
from lrbench.cli.plot import plot
from lrbench.cli.report import report
from lrbench.cli.status import status
from lrbench.config.suite import read_suite_file
from lrbench.errors import RequestError
from lrbench.execution.plan import make_plan
from lrbench.execution.rows import resolve_rows
from lrbench.store.layout import Results

app = typer.Typer()
for verb in (report, plot, status, compare):
    app.command()(verb)
app.command("list")(listing)


OWN = """
[sources."Me 2026"]
title = "My paper"
year = 2026
link = "10.1145/1.2"

[[value]]
dataset = "sample"
protocol = "loo-20"
masked = false
models = ["sasrec"]
metrics = { "ndcg@10" = 0.15 }
source = "Me 2026"
differs = "longer histories"
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    make_suite(root, seeds=[1, 2, 3, 4])
    return root


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_machine_readable_output_is_alone_on_stdout(root: Path) -> None:
    result = run("report", "demo", "--format", "json", "--results", str(root))
    assert result.exit_code == 0
    assert json.loads(result.stdout)["suite"] == "demo"


def test_the_latest_suite_is_the_default(root: Path) -> None:
    assert run("report", "--results", str(root)).stdout.startswith("demo · loo-20")


FILE = """
name = "demo"
protocol = "loo-20"
datasets = ["sample"]
[[models]]
label = "SASRec"
model = "sasrec"
params = { width = 16 }
[[models]]
label = "LARES"
model = "lares"
[comparison]
proposed = ["LARES"]
"""


def ran(file: Path, root: Path) -> None:
    """Leave the record and trials of a run of the file."""
    suite = read_suite_file(file)
    make_suite(root, definition=make_plan(suite, resolve_rows(suite), {}).record.definition)


def test_a_suite_file_stands_for_what_ran_under_its_name(tmp_path: Path) -> None:
    file = tmp_path / "whatever.toml"
    file.write_text(FILE, encoding="utf-8")
    ran(file, tmp_path / "rt")
    result = run("report", str(file), "--format", "markdown", "--results", str(tmp_path / "rt"))
    assert result.stdout.startswith("## demo")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("width = 16", "width = 8", "other rows"),
        ('proposed = ["LARES"]', "proposed = []", "other proposed labels"),
        ("[[models]]", 'primary_metric = "mrr"\n[[models]]', "other primary metric"),
        ('["LARES"]', '["LARES"]\nagainst = ["SASRec"]', "other labels to compare them with"),
        ('["LARES"]', '["LARES"]\nmargin = 0.5', "other margin"),
    ],
)
@pytest.mark.parametrize(
    "verb", [("report",), ("plot", "pareto"), ("status",)], ids=["report", "plot", "status"]
)
def test_a_file_that_means_another_suite_than_ran_last_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...], old: str, new: str, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file, root = tmp_path / "one.toml", tmp_path / "rt"
    file.write_text(FILE, encoding="utf-8")
    ran(file, root)
    file.write_text(FILE.replace(old, new, 1), encoding="utf-8")
    refused = run(*verb, str(file), "--results", str(root)).exception
    assert isinstance(refused, RequestError)
    assert refused.cause.endswith(f'is not what ran last as suite "demo" in {root}: {what}.')
    assert f"lrbench run {file} --results {root}\n" in refused.remedy
    shown = "status" if verb == ("status",) else "report"
    assert f"lrbench {shown} demo --results {root}" in refused.remedy


@pytest.mark.parametrize(
    "given", ["reference-beauty", "suites/reference-beauty.toml", "elsewhere/reference-beauty.toml"]
)
def test_a_shipped_suite_that_was_not_run_is_told_from_one_that_is_not_there(root: Path, given: str) -> None:
    refused = run("report", given, "--results", str(root)).exception
    assert isinstance(refused, RequestError)
    assert refused.cause == f'The suite "reference-beauty" was never run with results in {root}.'
    assert refused.remedy.startswith(
        f"Import an archive of it, or run it: lrbench run reference-beauty --results {root}\n"
    )
    assert "Suites there: demo." in refused.remedy


def test_rows_without_a_finished_trial_are_refused(tmp_path: Path) -> None:
    suite = make_suite(tmp_path)
    gone = [cell for cell in suite.trials if cell.label == "LARES"]
    for cell in gone:
        Results(tmp_path).trial(cell.trial).rename(tmp_path / f"gone-{cell.seed}")
    for command in ("report", "plot convergence", "plot forest"):
        refused = run(*command.split(), "--results", str(tmp_path), "--only", "LARES").exception
        assert isinstance(refused, RequestError)
        assert refused.cause == f"No trial of LARES is finished in {tmp_path}."
        assert refused.remedy == f"See how far it is: lrbench status demo --results {tmp_path}"


def test_rows_without_a_finished_trial_are_named_by_compare(tmp_path: Path) -> None:
    suite = make_suite(tmp_path)
    for cell in suite.trials:
        if cell.label == "SASRec":
            Results(tmp_path).trial(cell.trial).rename(tmp_path / f"gone-{cell.seed}")
    told = run("compare", "demo", "LARES", "Popularity", "SASRec", "--results", str(tmp_path))
    assert "Left out, as no trial is finished: SASRec." in told.stderr
    refused = run("compare", "demo", "LARES", "SASRec", "--results", str(tmp_path)).exception
    assert isinstance(refused, RequestError)
    assert "finished on one dataset" in refused.cause


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--output", "o.tex"), "o.tex has the ending of another format. Choose --format latex"),
        (
            ("--output", "o.md", "--format", "csv"),
            "written as csv, and o.md has the ending of another format",
        ),
        (("--output", "o.pdf"), "writes text, and o.pdf has the ending of another kind of file. Choose"),
        (("--output", "o.TEX"), "o.TEX has the ending of another format. Choose --format latex"),
        (("--format", "json", "--tables", "depth"), "JSON holds all tables"),
    ],
)
def test_options_that_contradict_the_format_are_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = run("report", "--results", str(root), *options).exception
    assert isinstance(refused, RequestError)
    assert said in f"{refused.cause} {refused.remedy}"
    assert not list(tmp_path.iterdir())


def test_a_cost_belongs_to_the_plot_pareto(root: Path) -> None:
    refused = run("plot", "depth", "--cost", "latency", "--results", str(root)).exception
    assert isinstance(refused, RequestError)
    assert refused.cause == "--cost belongs to the plot pareto, not to depth."


def test_metrics_and_baseline(root: Path) -> None:
    arguments = ("--metrics", "ndcg@10, recall@10", "--baseline", "SASRec", "--format", "markdown")
    result = run("report", "--results", str(root), *arguments)
    header = next(line for line in result.stdout.splitlines() if line.startswith("| Model"))
    assert [cell.strip() for cell in header.strip("|").split("|")] == [
        "Model",
        "NDCG@10",
        "Δ % SASRec",
        "Recall@10",
        "Δ % SASRec",
    ]


def test_masked_and_unmasked_differ(root: Path) -> None:
    masked, unmasked, usual = (
        json.loads(run("report", "--format", "json", "--results", str(root), *option).stdout)
        for option in (["--masked"], ["--unmasked"], [])
    )
    assert masked["masked"] is True
    assert unmasked["rows"] == usual["rows"] != masked["rows"]


@pytest.mark.parametrize(("model", "said"), [("sasrec", False), ("sasrecc", True)])
def test_published_numbers_that_fit_no_row_are_told(
    root: Path, tmp_path: Path, model: str, said: bool
) -> None:
    """A model or dataset may be misspelt. The names are not checked, as a file may serve several suites."""
    (tmp_path / "own.toml").write_text(OWN.replace('"sasrec"', f'"{model}"'), encoding="utf-8")
    arguments = ("--published", str(tmp_path / "own.toml"), "--results", str(root), "--format", "csv")
    told = run("report", "demo", *arguments)
    assert told.exit_code == 0
    assert ("own.toml fits a row of demo" in told.stderr) == said


def test_output_goes_to_a_file_without_escape_sequences(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.txt"
    result = run("report", "--results", str(root), "--output", str(file))
    assert result.stdout == ""
    assert "Wrote" in result.stderr
    text = file.read_text(encoding="utf-8")
    assert "demo · loo-20" in text
    assert "\x1b" not in text


def test_warnings_reach_the_person_where_the_format_is_for_machines(root: Path) -> None:
    suite = make_suite(root / "more")
    Results(root / "more").trial(suite.trials[1].trial).rename(root / "more" / "gone")
    result = run("report", "--format", "csv", "--results", str(root / "more"))
    assert "Warning" not in result.stdout
    assert "SASRec on sample lacks the trial of seed 1" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dem",), 'There is no suite "dem"'),
        (("--format", "latx"), 'Did you mean "latex"?'),
        (("--metrics", "ndgc@10"), 'Did you mean "ndcg@10"?'),
        (("--baseline", "SASREC"), 'no label "SASREC"'),
        (("--only", "SASREC"), 'Did you mean "SASRec"?'),
        (("--tables", "qualty"), 'Did you mean "quality"?'),
        (("--brief", "--full"), "--brief and --full exclude each other"),
        (("--rename", "LARES"), '"LARES" does not say OLD=NEW'),
        (("--format", "csv", "--tables", "quality,depth"), "holds one table"),
    ],
)
def test_wrong_requests(root: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run("report", *arguments, "--results", str(root))
    assert isinstance(result.exception, RequestError)
    assert result.exception.exit_code == 2
    assert message in str(result.exception)
    assert result.stdout == ""


def test_no_results(tmp_path: Path) -> None:
    assert isinstance(run("report", "--results", str(tmp_path)).exception, RequestError)


def test_plot_writes_the_file_that_was_asked_for(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "figures" / "depth.svg"
    result = run("plot", "depth", "demo", "--output", str(file), "--results", str(root))
    assert result.exit_code == 0
    assert file.read_bytes().startswith(b"<?xml")
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dept",), 'Did you mean "depth"?'),
        (("depth", "--output", "x.jpeg"), '"jpeg" is no format'),
        (("critical-difference",), "needs 6 datasets"),
        (("depth", "demo", "more"), "lrbench plot KIND [SUITE]"),
        (("grid", "mean_depth", "demo", "more"), "lrbench plot grid OPTION [SUITE]"),
        (("grid", "demo"), "lrbench plot grid mean_depth demo --results"),
        (("depth", "--metric", "ndcg"), "The metric ndcg needs a cut-off. Write ndcg@10, for instance."),
        (("depth", "--metric", "ndgc@10"), 'Unknown metric "ndgc@10". Did you mean "ndcg@10"?'),
    ],
)
def test_wrong_plots_write_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("plot", *arguments, "--results", str(root))
    assert isinstance(result.exception, RequestError)
    assert message in str(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_reports_need_no_torch(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lrbench.cli.report import report; "
        f"report(results=Path({str(root)!r}), format_name='json'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_a_dash_is_standard_output(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = run("report", "--output", "-", "--results", str(root))
    assert written.stdout == run("report", "--results", str(root)).stdout
    assert list(tmp_path.iterdir()) == []


def test_chosen_rows_under_other_names(root: Path) -> None:
    chosen = ("--only", "LARES, SASRec", "--rename", "LARES=Ours", "--sort", "ndcg@10")
    content = json.loads(run("report", "--format", "json", "--results", str(root), *chosen).stdout)
    assert [row["label"] for row in content["rows"] if row["metric"] == "ndcg@10"] == ["Ours", "SASRec"]
    assert content["comparisons"][0]["family_size"] == 3
    assert content["rows_of_suite"] == 4


def test_chosen_tables_and_decimals(root: Path) -> None:
    text = run("report", "--tables", "depth", "--digits", "2", "--results", str(root)).stdout
    assert "by depth on sample" in text
    assert "Cost" not in text
    assert not re.search(r"0\.\d{4}", text.split("Slope")[0].split("slope")[0])


def test_percent_has_two_decimals_and_leaves_machines_alone(root: Path) -> None:
    text = run("report", "--percent", "--tables", "quality", "--results", str(root)).stdout
    assert "NDCG@10 (%)" in text
    assert re.search(r" \d?\d\.\d\d ", text)
    assert not re.search(r"\d\.\d{3}", text.split("Protocol")[0])
    plain, percent = (
        json.loads(run("report", "--format", "json", "--results", str(root), *option).stdout)["rows"]
        for option in ([], ["--percent"])
    )
    assert plain == percent


@pytest.mark.parametrize("table", ["quality", "comparison", "cost", "depth"])
def test_one_tidy_table(root: Path, table: str) -> None:
    lines = run("report", "--format", "csv", "--tables", table, "--results", str(root)).stdout.splitlines()
    assert {len(row) for row in csv.reader(lines)} == {len(next(csv.reader(lines)))}
    assert len(lines) > 3


def test_answer_alone(root: Path) -> None:
    result = run("report", "demo", "--answer", "--results", str(root))
    assert result.exit_code == 0
    assert result.stdout.split()[0] == "Answer"
    assert "1 Better? Yes. LARES scores" in " ".join(result.stdout.split())
    assert "6 How sure? 4 seeds" in " ".join(result.stdout.split())


def test_a_report_is_a_look_that_later_ones_tell(tmp_path: Path) -> None:
    make_suite(tmp_path, seeds=[1, 2, 3])
    for _ in range(2):
        assert run("report", "demo", "--results", str(tmp_path)).exit_code == 0
    looks = [json.loads(line)["seeds"] for line in Results(tmp_path).looks("demo").read_text().splitlines()]
    assert looks == [3]
    make_suite(tmp_path, seeds=[1, 2, 3, 4, 5])
    said = " ".join(run("report", "demo", "--results", str(tmp_path)).stdout.split())
    assert "Seeds were added after a report had been seen with 3." in said


def test_results_that_cannot_be_written_are_still_reported(tmp_path: Path) -> None:
    make_suite(tmp_path)
    Results(tmp_path).looks("demo").mkdir()
    result = run("report", "demo", "--format", "json", "--results", str(tmp_path))
    assert result.exit_code == 0
    assert json.loads(result.stdout)["looks"] == []
    assert "could not record that this report was made" in " ".join(result.stderr.split())


def test_compare_shows_differences_of_any_rows(root: Path) -> None:
    result = run("compare", "demo", "LARES", "SASRec", "Popularity", "--results", str(root))
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "sample, NDCG@10: LARES against SASRec: 0." in text
    assert text.count(" against Popularity: ") == 1
    assert "better." in text


def test_compare_sends_to_the_report_for_what_was_declared(root: Path) -> None:
    """The suite declares LARES against all others. Only the report corrects over that family."""

    def note(*words: str) -> str:
        return " ".join(run("compare", "demo", *words, "--results", str(root)).stderr.split())

    assert "These comparisons are descriptive" in note("SASRec", "Popularity")
    assert "Declared in the suite: 2 of 2. For these cite" in note("LARES", "SASRec", "Popularity")
    assert "Declared in the suite: 1 of 2." in note("SASRec", "LARES", "Popularity")
    assert "These comparisons are descriptive" in note("LARES", "SASRec", "--metrics", "recall@5")
    assert f"corrects over their family: lrbench report demo --results {root}" in note("LARES", "SASRec")


def test_compare_declares_nothing_in_the_other_ranking(root: Path) -> None:
    def note(*words: str) -> str:
        shown = run("compare", "demo", "LARES", "SASRec", *words, "--results", str(root))
        return " ".join(shown.stderr.split())

    assert "descriptive: the suite declared its tests for the other ranking." in note("--masked")
    assert "lrbench report" not in note("--masked")
    assert "Declared in the suite: 1 of 1." in note("--unmasked")


def test_compare_tells_declared_comparisons_that_wait_for_runs(tmp_path: Path) -> None:
    models = (Made("LARES", 1.7, "lares"), Made("SASRec", 0.6), Made("BSARec", 0.5))
    suite = make_suite(tmp_path, models, seeds=range(1, 6))
    for cell in suite.trials:
        if cell.label == "SASRec" and cell.seed > 3:
            shutil.rmtree(Results(tmp_path).trial(cell.trial))
    shown = run("compare", "demo", "LARES", "--results", str(tmp_path))
    told, lines = " ".join(shown.stderr.split()), " ".join(shown.stdout.split())
    assert "Interim: rows of 1 of 2 comparisons lack seeds of the suite, so nothing is decided there." in told
    assert "Declared in the suite: 2 of 2, of which 1 waits for runs." in told
    assert lines.count("better (interim).") == 1
    complete = run("compare", "demo", "LARES", "BSARec", "--results", str(tmp_path))
    assert "interim" not in (complete.stdout + complete.stderr).lower()


def test_compare_refuses_an_unknown_row(root: Path) -> None:
    refused = run("compare", "demo", "LARES", "SASREC", "--results", str(root)).exception
    assert isinstance(refused, RequestError)
    assert 'no label "SASREC"' in str(refused)


def test_trials_of_a_suite_are_listed(root: Path) -> None:
    result = run("list", "trials", "demo", "--results", str(root))
    lines = result.stdout.splitlines()
    assert len(lines) == 13
    assert re.fullmatch(r"sample-loo-20-popularity-s0-\w{12} +done +sample +0 +Popularity", lines[0])
    assert lines[-1].endswith("  4  LARES w/o_RPT & 50%")
    assert isinstance(run("list", "trials", "dem", "--results", str(root)).exception, RequestError)


def test_a_plot_needs_no_backend_for_screens(root: Path, tmp_path: Path) -> None:
    """Notebooks name theirs in the environment, also where it is not installed."""
    file = tmp_path / "depth.svg"
    drawn = subprocess.run(
        [sys.executable, "-m", "lrbench", "plot", "depth", "demo", "--output", file, "--results", root],
        env={**os.environ, "MPLBACKEND": "module://nosuch"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (drawn.returncode, file.exists()) == (0, True), drawn.stderr
