"""A brief archive: the same report from fewer ranks, and a refusal where a number would need the others."""

import json
import lzma
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_results import (
    Made,
    evaluated_later,
    make_ranks,
    make_suite,
    prepared,
    rewrite_record,
    sealed_trial,
)

import lrbench
from lrbench.cli.app import run
from lrbench.errors import RequestError
from lrbench.files import write_text
from lrbench.metrics import metric_function
from lrbench.report.build import ReportOptions, build_report
from lrbench.report.formats import FORMATS
from lrbench.report.layout import Layout
from lrbench.store.archive_form import ArchiveForm
from lrbench.store.brief_ranks import brief_ranks
from lrbench.store.export_archive import export_archive
from lrbench.store.import_archive import import_archive
from lrbench.store.integrity import stored_faults
from lrbench.store.layout import LOG_FILE, RANKS_FILE, Results
from lrbench.store.mean_metrics import mean_metrics
from lrbench.store.packed_table import pack
from lrbench.store.suites import ControlRecord, find_suite_record
from lrbench.store.trials import RANKS, read_ranks, read_record

DEPTHS = (0, 1, 2, 4)
LARES = Made("LARES", 1.7, "lares", depth=2, depths=DEPTHS, per_doubling=0.1, draws=2)
NOISE = replace(LARES, label="LARES (noise)", skill=1.2)
SASREC = Made("SASRec", 1.0)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Trials with ties, interventions, a noise-only control and a later evaluation."""
    results = Results(tmp_path_factory.mktemp("origin"))
    noise = ControlRecord(control="noise-only", of="LARES")
    suite = make_suite(results.root, [SASREC, LARES, NOISE], seeds=[1, 2], controls={NOISE.label: noise})
    for cell in suite.trials:
        record = read_record(results.trial(cell.trial))
        ranks = read_ranks(results.trial(cell.trial), None).collect()
        changes = {}
        if cell.label == "LARES":
            zero = make_ranks(replace(LARES, skill=0.2, depths=(2,)), "sample", cell.seed)
            ranks = pl.concat((ranks, zero.filter(split="test").with_columns(intervention=pl.lit("zero"))))
            changes = {"divergence": {"zero": 0.5}}
        jitter = pl.Series(np.random.default_rng(cell.seed).integers(0, 80, len(ranks)))
        moved = pl.when(pl.col("rank").is_between(40, 400)).then(jitter).otherwise(0)  # depths then differ
        ranks = ranks.with_columns(pl.col("rank", "rank_masked") + moved)
        number = pl.col("user").str.slice(1).cast(pl.Int32)
        ties = pl.when(pl.col("rank") < 400).then(number % 5).otherwise(0).cast(pl.Int32)
        ranks = ranks.with_columns(
            pl.col("rank", "rank_masked") + ties / 2, ties=ties, ties_masked=ties
        ).select(*RANKS)
        ranks.write_parquet(results.trial(cell.trial) / RANKS_FILE, statistics=False)
        means = mean_metrics(ranks.filter(intervention="none"), record.protocol)
        rewrite_record(results.root, cell.trial, metrics=means, **changes)
        write_text(results.trial(cell.trial) / LOG_FILE, "epoch 1\n")
        sealed_trial(results.root, cell.trial)
        if cell.label == "LARES":
            evaluated_later(results.root, replace(LARES, depths=(8,)), "sample", cell.seed, cell.trial)
    return results


def exported(results: Results, path: Path, brief: bool) -> Path:
    form: ArchiveForm = "brief" if brief else "compact"
    export_archive(find_suite_record(results, "demo"), results, path, ["sample"], form)
    return path


@pytest.fixture(scope="module")
def brief(origin: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(origin, tmp_path_factory.mktemp("archive") / "brief.zip", brief=True)


@pytest.fixture(scope="module")
def imported(brief: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    results = Results(tmp_path_factory.mktemp("imported"))
    import_archive(brief, results)
    return results


def lares(results: Results) -> Path:
    return next(
        trial
        for trial in results.trials()
        if len(read_record(trial).config.evaluation.depths) > 1 and read_record(trial).divergence
    )


@pytest.mark.parametrize("masked", [False, True])
def test_the_report_is_the_same_in_every_format(origin: Results, imported: Results, masked: bool) -> None:
    options = ReportOptions(metrics=("recall@5", "ndcg@20", "mrr", "recall@50"), masked=masked)
    full, short = (
        build_report(find_suite_record(results, "demo"), results, options, prepared)
        for results in (origin, imported)
    )
    assert full.depths and full.oracles and full.interventions and full.groups
    assert {point.depth for point in full.depths} >= {*DEPTHS}
    assert full.provenance.exact_ranks_to is None
    assert short.provenance.exact_ranks_to == 20
    layout = Layout(length="full")
    assert "left out ranks beyond 20" in FORMATS.load("markdown")().render(short, layout)
    short = replace(short, provenance=replace(short.provenance, exact_ranks_to=None))
    for name in ("markdown", "latex", "json", "csv", "html"):
        form = FORMATS.load(name)()
        assert form.render(short, layout) == form.render(full, layout)


def test_stored_means_are_the_same_and_mrr_is_kept_only_where_it_is_exact(
    origin: Results, imported: Results
) -> None:
    assert len(origin.trials()) == len(imported.trials()) == 6
    for trial in origin.trials():
        full, short = read_record(trial), read_record(imported.trial(trial.name))
        assert short.exact_ranks_to == 20
        assert not stored_faults(imported.trial(trial.name))
        for split, depths in full.metrics.items():
            for depth, means in depths.items():
                exact = (split, depth) == ("test", str(full.depth))
                wanted = {name: mean for name, mean in means.items() if exact or name != "mrr"}
                assert short.metrics[split][depth] == wanted
        assert full.model_copy(update={"metrics": {}, "digests": {}, "digest": ""}) == short.model_copy(
            update={"metrics": {}, "digests": {}, "digest": "", "exact_ranks_to": None}
        )


def test_ranks_are_exact_at_the_reported_depth_and_up_to_the_cutoff(
    origin: Results, imported: Results
) -> None:
    trial = lares(origin)
    keys = ["split", "user", "depth", "draw", "intervention"]
    full, short = (read_ranks(results.trial(trial.name), None).collect() for results in (origin, imported))
    both = full.join(short, on=keys, suffix="_short", validate="1:1")
    assert both.height == full.height == short.height
    reported = both.filter(split="test", depth=2)
    assert set(reported["intervention"]) == {"none", "zero"}
    assert reported["rank"].max() > 100
    away = both.filter((pl.col("split") != "test") | (pl.col("depth") != 2))
    for rank, ties in (("rank", "ties"), ("rank_masked", "ties_masked")):
        assert reported[rank].equals(reported[f"{rank}_short"])
        assert reported[ties].equals(reported[f"{ties}_short"])
        first = away[rank] - away[ties] / 2  # the best rank among the tied
        same = (away[rank] == away[f"{rank}_short"]) & (away[ties] == away[f"{ties}_short"])
        assert same.filter(first <= 20).all()
        assert away.filter((first > 20) & (away[ties] > 0)).height > 0
        assert set(away.filter(first > 20)[f"{rank}_short"]) == {21.0}
        assert set(away.filter(first > 20)[f"{ties}_short"]) == {0}


@st.composite
def tied_ranks(draw: st.DrawFn) -> tuple[float, int | None]:
    ties = draw(st.none() | st.integers(0, 60))
    return draw(st.integers(1, 90)) + (ties or 0) / 2, ties


@given(
    st.lists(tied_ranks(), min_size=1, max_size=9),
    st.sampled_from(("test", "valid")),
    st.sampled_from((3, 20)),
)
def test_no_metric_up_to_the_cutoff_changes(
    found: list[tuple[float, int | None]], split: str, largest: int
) -> None:
    count = len(found)
    if any(ties is None for _, ties in found):
        found = [(rank, None) for rank, _ in found]
    rank, ties = [rank for rank, _ in found], [ties for _, ties in found]
    texts = {name: [name] * count for name in ("user", "target", "intervention")}
    table = pl.DataFrame(
        {
            **texts,
            "split": [split] * count,
            "depth": [1] * count,
            "draw": [0] * count,
            "rank": rank,
            "rank_masked": rank,
            "ties": ties,
            "ties_masked": ties,
        },
        schema_overrides=RANKS,
    ).select(*RANKS)
    short = brief_ranks(table, 2, largest)
    assert short.schema == RANKS
    assert short.n_chunks() == 1  # several make other Parquet bytes, and the table would not be packed
    for name in ("recall@1", f"recall@{largest}", "ndcg@2", f"ndcg@{largest}"):
        for suffix in ("", "_masked"):
            values = []
            for part in (table, short):
                tied = part[f"ties{suffix}"]
                known = None if tied.null_count() else tied.to_numpy()
                values.append(metric_function(name)(part[f"rank{suffix}"].to_numpy(), known))
            np.testing.assert_array_equal(*values)
    assert brief_ranks(table, 1, largest).equals(table) is (split == "test" or short.equals(table))


def test_ranks_at_many_depths_take_a_fraction_of_the_space() -> None:
    full = make_ranks(replace(LARES, depths=tuple(range(9))), "sample", 1)
    jitter = np.random.default_rng(1).integers(0, 200, len(full))
    full = full.with_columns(pl.col("rank", "rank_masked") + pl.when(pl.col("rank") > 40).then(jitter))
    full = full.with_columns(pl.col("rank", "rank_masked").fill_null(30))
    sizes = [len(lzma.compress(pack(table))) for table in (full, brief_ranks(full, 2, 20))]
    assert sizes[0] > 3 * sizes[1]


@pytest.mark.parametrize("metric", ["mrr", "recall@21", "ndcg@50"])
def test_a_number_that_needs_other_ranks_is_refused(
    origin: Results, imported: Results, tmp_path: Path, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["plot", "depth", "demo", "--metric", metric, "--output", "depth.svg", "--results"]
    with pytest.raises(
        RequestError, match=f"{metric} cannot be computed: .* It left out ranks beyond 20 in validation"
    ):
        run([*command, str(imported.root)])
    assert not list(tmp_path.iterdir())
    assert run([*command, str(origin.root)]) == 0


def test_the_largest_cutoff_is_computed_at_every_depth(origin: Results, imported: Results) -> None:
    full, short = (
        build_report(
            find_suite_record(results, "demo").model_copy(update={"primary_metric": "ndcg@20"}), results
        ).depths
        for results in (origin, imported)
    )
    assert {point.depth for point in full} > {0, 1}
    assert short == full


def test_what_was_left_out_is_no_number_in_python(origin: Results, imported: Results) -> None:
    trial = lares(origin).name
    full, short = (
        lrbench.load(results.root).ranks.filter(trial=trial).collect() for results in (origin, imported)
    )
    assert not full["rank"].is_nan().any()
    reported = (pl.col("split") == "test") & (pl.col("depth") == 2)
    later = pl.col("depth") == 8
    assert not short.filter(reported | later)["rank"].is_nan().any()
    keys = ["split", "user", "depth", "draw", "intervention"]
    both = full.filter(~reported & ~later).join(short, on=keys, suffix="_short", validate="1:1")
    certain_miss = both["rank"] - both["ties"] / 2 > 20
    assert both["rank_short"].is_nan().equals(certain_miss)
    assert both.filter(~certain_miss)["rank_short"].equals(both.filter(~certain_miss)["rank"])
    depths = full.filter(later)
    assert depths.height > 0
    assert depths.equals(short.filter(later))


@pytest.fixture
def everything(origin: Results, tmp_path: Path) -> Path:
    return exported(origin, tmp_path / "full.zip", brief=False)


def contents(results: Results) -> Iterator[tuple[str, bytes]]:
    for path in sorted(results.root.rglob("*")):
        if path.is_file() and path.suffix != ".lock":
            yield path.relative_to(results.root).as_posix(), path.read_bytes()


@pytest.mark.parametrize("first", ["full", "brief"])
def test_full_and_brief_trials_are_never_mixed(
    everything: Path, brief: Path, tmp_path: Path, first: str
) -> None:
    archives = {"full": everything, "brief": brief}
    results = Results(tmp_path / "results")
    import_archive(archives.pop(first), results)
    before = dict(contents(results))
    (other,) = archives.values()
    with pytest.raises(RequestError, match="only one of them has all ranks"):
        import_archive(other, results)
    assert dict(contents(results)) == before


def test_a_brief_archive_is_imported_twice_and_exported_again(
    brief: Path, imported: Results, tmp_path: Path
) -> None:
    assert import_archive(brief, imported).kept == 6
    assert exported(imported, tmp_path / "again.zip", brief=True).read_bytes() == brief.read_bytes()
    assert exported(imported, tmp_path / "all.zip", brief=False).read_bytes() == brief.read_bytes()


def test_the_archive_is_smaller_and_the_origin_as_it_was(
    origin: Results, everything: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(contents(origin))
    monkeypatch.chdir(tmp_path)
    assert run(["export", "demo", "--archive", "brief.zip", "--brief", "--results", str(origin.root)]) == 0
    assert Path("brief.zip").stat().st_size < everything.stat().st_size
    assert dict(contents(origin)) == before


def test_what_a_brief_archive_cannot_be(
    origin: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["export", "demo", "--archive", "brief.zip", "--brief"]
    with pytest.raises(RequestError, match="holds no weights"):
        run([*command, "--weights", "--results", str(origin.root)])
    results = Results(tmp_path / "results")
    shutil.copytree(origin.root, results.root)
    make_suite(results.root, [SASREC], seeds=[1], proposed=[], primary_metric="mrr")
    with pytest.raises(RequestError, match="MRR, which needs all ranks"):
        run(command)
    assert not Path("brief.zip").exists()


def test_the_cutoff_is_the_largest_of_protocol_and_primary_metric(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    make_suite(results.root, [LARES], seeds=[1], primary_metric="recall@50")
    elsewhere = Results(tmp_path / "elsewhere")
    import_archive(exported(results, tmp_path / "brief.zip", brief=True), elsewhere)
    (trial,) = elsewhere.trials()
    assert json.loads((trial / "trial.json").read_text(encoding="utf-8"))["exact_ranks_to"] == 50
    assert read_ranks(trial).filter(split="valid").collect()["rank"].max() == 51
