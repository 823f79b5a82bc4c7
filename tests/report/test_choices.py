from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite, section_of

from lrbench.errors import RequestError
from lrbench.report.build import ReportOptions, build_report
from lrbench.report.choices import Choices, choose, rename_rows, shown_names
from lrbench.report.report import Report
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord, SuiteRecord


def built(suite: SuiteRecord, root: Path, **choices: object) -> Report:
    return build_report(suite, Results(root), ReportOptions(choices=Choices(**choices)))  # type: ignore[arg-type]


def test_nothing_chosen_changes_nothing(report: Report) -> None:
    everything = choose(report, report.labels, [note.summary.name for note in report.datasets])
    assert everything == report


def test_a_row_is_found_by_both_of_its_names(suite: SuiteRecord, root: Path) -> None:
    new = {"LARES": "Ours", "SASRec": "LARES w/o_RPT & 50%", "LARES w/o_RPT & 50%": "SASRec"}
    for only, shown in (("LARES", "Ours"), ("Ours", "Ours"), ("SASRec", "LARES w/o_RPT & 50%")):
        assert built(suite, root, rename=new, only=(only,)).labels == (shown,)


def test_hidden_rows_stay_in_the_family(suite: SuiteRecord, root: Path, report: Report) -> None:
    shown = built(suite, root, only=("LARES", "SASRec"), datasets=("sample",))
    assert {row.label for row in shown.rows} == {"LARES", "SASRec"}
    assert {row.dataset for row in shown.rows} == {"sample"}
    whole = next(c for c in report.comparisons if (c.dataset, c.baseline) == ("sample", "SASRec"))
    (left,) = shown.comparisons
    assert left == whole
    assert left.family_size == 6
    assert shown.caption[:-1] == report.caption
    assert shown.caption[-1] == (
        "Shown: 2 of 4 rows and 1 of 2 datasets. "
        "Marks, tests and their families are those of the whole suite."
    )


def test_percentages_stay_where_their_baseline_is_hidden(suite: SuiteRecord, root: Path) -> None:
    def percentages(**choices: object) -> list[float | None]:
        options = ReportOptions(baseline="SASRec", choices=Choices(**choices))  # type: ignore[arg-type]
        return [
            row.relative for row in build_report(suite, Results(root), options).rows if row.label == "LARES"
        ]

    assert None not in percentages()
    assert percentages(hide=("SASRec",)) == percentages()


def test_all_rows_count_as_seen_whatever_is_shown(suite: SuiteRecord, root: Path, report: Report) -> None:
    """The answers tell the tests of a row that is shown alone."""
    alone = built(suite, root, only=("LARES",))
    assert alone.comparisons == ()
    assert alone.seen_seeds == report.seen_seeds > 0


def test_costs_depths_and_settings_follow_the_rows(suite: SuiteRecord, root: Path) -> None:
    shown = built(suite, root, hide=("LARES w/o*",))
    assert {cost.label for cost in shown.costs} == {"Popularity", "SASRec", "LARES"}
    assert {point.label for point in shown.depths} == {"LARES"}
    assert {curve.label for curve in shown.curves} == {"SASRec", "LARES"}


def test_rows_are_sorted_by_their_mean_over_datasets(suite: SuiteRecord, root: Path) -> None:
    shown = built(suite, root, sort="ndcg@10")
    assert shown.labels == ("LARES", "LARES w/o_RPT & 50%", "SASRec", "Popularity")
    assert [row.label for row in shown.rows if (row.dataset, row.metric) == ("sample", "mrr")] == []
    of_sample = [row.label for row in shown.rows if (row.dataset, row.metric) == ("sample", "ndcg@10")]
    assert of_sample == list(shown.labels)


FIVE = tuple(f"P{number}" for number in range(5))


@pytest.fixture(scope="module")
def three_datasets(tmp_path_factory: pytest.TempPathFactory) -> tuple[SuiteRecord, Path]:
    """Five proposed rows, each above its control, on three datasets."""
    place = tmp_path_factory.mktemp("results")
    pairs = [(Made(name, 1.7, "lares"), Made(f"{name}: plain", 0.7, "lares")) for name in FIVE]
    return make_suite(
        place,
        [made for pair in pairs for made in pair],
        controls={f"{name}: plain": ControlRecord(of=name, control="no-reasoning") for name in FIVE},
        proposed=FIVE,
        datasets=("sample", "ml-100k", "shop"),
    ), place


def over_datasets(report: Report) -> str:
    """The answer over datasets; empty if there is none."""
    told = {each.title: each.text for each in section_of(report, "answer").paragraphs}
    return told.get("2 The reasoning?, over datasets", "")


def test_the_answer_over_datasets_counts_the_rows_and_datasets_that_are_shown(
    three_datasets: tuple[SuiteRecord, Path],
) -> None:
    assert "5 of 5 without steps" in over_datasets(built(*three_datasets))
    four = over_datasets(built(*three_datasets, only=("P0*", "P1*", "P2*", "P3*")))
    assert "own control: 4 of 4 without steps" in four
    assert "Means over these datasets" in four
    two = built(*three_datasets, datasets=("sample", "shop"))
    assert "Means over all 3 datasets" in over_datasets(two)
    one = built(*three_datasets, datasets=("sample",))
    assert over_datasets(one) == ""
    assert (one.across, section_of(one, "across").tables) == ((), ())
    assert section_of(two, "across").tables != ()


def test_what_is_said_over_datasets_is_interim_where_the_report_is(
    three_datasets: tuple[SuiteRecord, Path],
) -> None:
    report = built(*three_datasets)
    assert not over_datasets(report).startswith("Interim.")
    assert "(interim)" not in section_of(report, "across").tables[0].title
    interim = replace(report, interim=True)
    assert over_datasets(interim).startswith("Interim. Shown to be better than their own control: 5 of 5")
    section = section_of(interim, "across")
    assert section.heading == "Over datasets (interim)"
    assert all(table.title.endswith(" (interim)") for table in section.tables)


def test_another_name_everywhere(suite: SuiteRecord, root: Path, report: Report) -> None:
    shown = built(suite, root, rename={"LARES": "Ours"}, only=("LARES", "SASRec"))
    assert shown.labels == ("SASRec", "Ours")
    assert {comparison.proposed for comparison in shown.comparisons} == {"Ours"}
    assert any("Ours is better" in sentence for sentence in shown.caption)
    assert [row.mean for row in shown.rows if row.label == "Ours"] == [
        row.mean for row in report.rows if row.label == "LARES"
    ]


def test_controls_are_renamed_with_their_model(suite: SuiteRecord) -> None:
    controls = {"SASRec": ControlRecord(of="LARES", control="no-reasoning")}
    renamed = rename_rows(suite.model_copy(update={"controls": controls}), {"LARES": "L", "SASRec": "S"})
    assert renamed.controls == {"S": ControlRecord(of="L", control="no-reasoning")}
    assert renamed.proposed == ("L",)
    assert {cell.label for cell in renamed.trials} == {"Popularity", "S", "L", "LARES w/o_RPT & 50%"}


def test_a_name_with_brackets_is_no_pattern() -> None:
    assert shown_names(["A [1]", "A 1"], ["A [1]"], (), "row") == ["A [1]"]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"only": ("SASREC",)}, r'"SASREC" matches no row\. Did you mean "SASRec"\?'),
        ({"datasets": ("smaple",)}, r'"smaple" matches no dataset\. Did you mean "sample"\?'),
        ({"hide": ("*",)}, "No row is left to show"),
        ({"sort": "ndcg"}, r'no metric "ndcg" to sort by'),
        ({"rename": {"LARS": "x"}}, r'no label "LARS" to rename\. Did you mean "LARES"\?'),
        ({"rename": {"LARES": "SASRec"}}, 'Two rows would be called "SASRec"'),
    ],
)
def test_wrong_choices(suite: SuiteRecord, root: Path, choices: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        built(suite, root, **choices)


def test_order_of_a_report_without_a_metric(report: Report) -> None:
    rows = tuple(reversed(report.rows))
    shown = choose(replace(report, rows=rows), report.labels, ["sample"])
    assert list(dict.fromkeys(row.label for row in shown.rows)) == list(report.labels)
