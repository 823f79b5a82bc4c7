from lrbench.report.warnings import ReportWarning, WarningKind, grouped, summarised


def capped(count: int, datasets: int) -> list[ReportWarning]:
    return [
        ReportWarning(
            WarningKind.EPOCH_CAP, f"row {row} on set {dataset}", label=f"row {row}", dataset=f"d{dataset}"
        )
        for dataset in range(datasets)
        for row in range(count)
    ]


def test_warnings_of_one_kind_are_one_line() -> None:
    (group,) = grouped(capped(5, 2))
    assert group.summary == (
        "row 0, row 1, row 2 and 2 more ended a stage at its cap of epochs on d0 and d1. "
        "Results may still rise: raise max_epochs in the suite's [training]."
    )
    assert len(group.details) == 10
    assert "on 4 datasets." in grouped(capped(2, 4))[0].summary


def test_a_single_warning_is_said_as_it_is() -> None:
    (warning,) = capped(1, 1)
    (group,) = grouped([warning])
    assert (group.summary, group.details) == (str(warning), ())


def test_a_kind_without_a_summary_is_counted() -> None:
    twice = [ReportWarning(WarningKind.DIFFERENT_VERSIONS, f"{name} differs.", "run") for name in ("a", "b")]
    assert grouped(twice)[0].summary == (
        "a differs. 1 more like this. Before a final table, run all trials again: run"
    )


def test_the_gravest_come_first_and_six_lines_suffice() -> None:
    every = [ReportWarning(kind, f"{kind.name}.") for kind in reversed(WarningKind)]
    lines = summarised(every)
    assert len(lines) == 6
    assert [line.split(".")[0] for line in lines[:5]] == [kind.name for kind in list(WarningKind)[:5]]
    assert lines[-1] == f"{len(WarningKind) - 5} more kinds of warnings: see them with --full."


def test_six_kinds_are_all_said() -> None:
    six = [ReportWarning(kind, f"{kind.name}.") for kind in list(WarningKind)[:6]]
    assert [line.split(".")[0] for line in summarised(six)] == [warning.kind.name for warning in six]
