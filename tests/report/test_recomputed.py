"""A report's numbers, recomputed from the files as docs/reproducibility.md and docs/statistics.md say.

Nothing here calls lrbench but to make the files and the report: a fault of the shared code cannot hide.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.optimize
import scipy.stats
from synthetic_results import Made, make_suite

from lrbench.report.build import build_report
from lrbench.report.formats.json import Json
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord

MODELS = (
    Made("Popularity", 0.4, "popularity", deterministic=True),
    Made("SASRec", 1.0, match=0.1),
    Made(
        "LARES", 1.25, "lares", depth=2, depths=(0, 2), per_doubling=0.1, draws=3, recipe="lares", match=0.1
    ),
    Made("noise", 1.1, "lares", depth=2, depths=(0, 2), draws=2, recipe="lares", match=0.1),
    Made("plain", 1.15, "gru4rec", match=0.1),
)
CONTROLS = {
    "noise": ControlRecord(of="LARES", control="noise-only"),
    "plain": ControlRecord(of="LARES", control="no-reasoning"),
}


class Recomputed:
    """Reads a results folder by its documented form."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cells = json.loads((root / "suites" / "demo.json").read_text(encoding="utf-8"))["trials"]

    def values(self, label: str, metric: str, depth: int | None = None, split: str = "test") -> np.ndarray:
        """The metric of every run and user, (runs, users); users in the order of their names."""
        return np.array([
            self._run(self.root / "trials" / cell["trial"], metric, depth, split)
            for cell in self.cells
            if cell["label"] == label
        ])  # fmt: skip

    def _run(self, folder: Path, metric: str, depth: int | None, split: str) -> np.ndarray:
        if depth is None:
            depth = json.loads((folder / "trial.json").read_text(encoding="utf-8"))["depth"]
        ranks = pl.read_parquet(folder / "ranks.parquet")
        ranks = ranks.filter(split=split, depth=depth, intervention="none")
        assert ranks["ties"].sum() == 0, "then a rank is the place of the target"
        kind, cutoff = metric.split("@")
        gain = 1.0 if kind == "recall" else 1 / (pl.col("rank") + 1).log(2)
        value = pl.when(pl.col("rank") <= int(cutoff)).then(gain).otherwise(0.0)
        return ranks.group_by("user").agg(value.mean().alias("value")).sort("user")["value"].to_numpy()


Runs = list[tuple[int, float, float]]


def sources(first: np.ndarray, second: np.ndarray) -> tuple[float, Runs]:
    """Variance over users, and of each model with several runs: their number, their luck, users × runs."""
    users, runs = first.shape[1], []
    for y in (first, second):
        if len(y) > 1:
            left = y - y.mean(axis=1, keepdims=True) - y.mean(axis=0) + y.mean()
            residual = (left**2).sum() / ((len(y) - 1) * (users - 1)) / (len(y) * users)
            runs.append((len(y), y.mean(axis=1).var(ddof=1) / len(y), residual))
    return (first.mean(axis=0) - second.mean(axis=0)).var(ddof=1) / users, runs


def crossed(first: np.ndarray, second: np.ndarray, planned: int | None = None) -> tuple[float, float]:
    """Standard error and degrees of freedom by the formulas of docs/statistics.md.

    With ``planned``, those that so many runs of each model are expected to have.
    """
    of_users, runs = sources(first, second)
    if planned is not None:
        of_users -= sum(residual for *_, residual in runs)
        runs = [(planned, own * n / planned, residual * n / planned) for n, own, residual in runs]
        of_users = max(of_users, 0.0) + sum(residual for *_, residual in runs)
    luck, residual = (sum(values) for values in list(zip(*runs, strict=True))[1:])
    spread = sum(own**2 / (n - 1) for n, own, _ in runs)
    v = max(luck + of_users - residual, luck, of_users)
    return math.sqrt(v), v**2 / (spread + of_users**2 / (first.shape[1] - 1))


def power(first: np.ndarray, second: np.ndarray, difference: float, level: float, planned: int) -> float:
    """Probability that so many runs of each model find a true difference."""
    error, df = crossed(first, second, planned)
    return float(scipy.stats.nct.sf(scipy.stats.t.isf(level / 2, df), df, difference / error))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recomputed, dict[str, Any]]:
    root = tmp_path_factory.mktemp("results")
    suite = make_suite(root, MODELS, seeds=(1, 2, 3, 4), controls=CONTROLS)
    return Recomputed(root), json.loads(Json().render(build_report(suite, Results(root))))


def test_means_and_deviations(made: tuple[Recomputed, dict[str, Any]]) -> None:
    files, report = made
    assert len(report["rows"]) == len(MODELS) * 6
    for row in report["rows"]:
        means = files.values(row["label"], row["metric"]).mean(axis=1)
        assert row["mean"] == pytest.approx(means.mean(), rel=1e-9)
        assert row["sd"] == pytest.approx(means.std(ddof=1) if len(means) > 1 else 0.0, rel=1e-9)


def test_declared_comparisons(made: tuple[Recomputed, dict[str, Any]]) -> None:
    files, report = made
    families: dict[str, list[tuple[float, float]]] = {}
    for found in report["comparisons"]:
        ours, theirs = (files.values(found[side], "ndcg@10") for side in ("proposed", "baseline"))
        paired = found["baseline"] == "noise"
        assert ("paired" in found["test"]) == paired, "it has the weights of the model"
        zero = np.zeros((1, ours.shape[1]))
        error, df = crossed(ours - theirs, zero) if paired else crossed(ours, theirs)
        difference, scale = ours.mean() - theirs.mean(), theirs.mean()
        assert found["difference"] == pytest.approx(difference, rel=1e-9)
        assert (found["standard_error"], found["df"]) == pytest.approx((error, df), rel=1e-7)
        p = 2 * scipy.stats.t.sf(abs(difference) / error, df)
        assert found["p"] == pytest.approx(p, rel=1e-6)
        families.setdefault(found["family"], []).append((p, found["p_holm"]))

        reach = scipy.stats.t.isf(0.05, df) * error
        equal = found["equivalence"]
        assert (equal["reach"], equal["margin"]) == pytest.approx((reach, 0.02 * scale), rel=1e-7)
        assert equal["shown"] == pytest.approx(abs(difference) + reach, rel=1e-7)

        shares = ours / ours.mean(), theirs / scale
        error_log, df_log = crossed(shares[0] - shares[1], zero) if paired else crossed(*shares)
        half = scipy.stats.t.isf(0.025, df_log) * error_log
        ends = [ours.mean() / scale * math.exp(sign * half) - 1 for sign in (-1, 1)]
        assert [found["relative_low"], found["relative_high"]] == pytest.approx(ends, rel=1e-6)

        critical = scipy.stats.t.isf(0.05 / found["family_size"] / 2, df)
        size = scipy.optimize.brentq(lambda x, c=critical, df=df: scipy.stats.nct.sf(c, df, x) - 0.8, 0, 40)
        assert found["minimum_detectable"] == pytest.approx(size * error, rel=1e-4)
    assert sorted(map(len, families.values())) == [2, 2]
    for pairs in families.values():
        (smallest, first), (largest, second) = sorted(pairs)
        assert first == pytest.approx(min(1, 2 * smallest), rel=1e-6)
        assert second == pytest.approx(min(1, max(2 * smallest, largest)), rel=1e-6)


def test_effect_sizes_and_other_tests(made: tuple[Recomputed, dict[str, Any]]) -> None:
    files, report = made
    for found in report["comparisons"]:
        ours, theirs = (files.values(found[side], "ndcg@10") for side in ("proposed", "baseline"))
        assert found["proposed_mean"] == pytest.approx(ours.mean(), rel=1e-9)
        assert found["baseline_mean"] == pytest.approx(theirs.mean(), rel=1e-9)
        changes = ours.mean(axis=0) - theirs.mean(axis=0)
        assert found["effect_size"] == pytest.approx(changes.mean() / changes.std(ddof=1), rel=1e-7)
        wins, losses = int((changes > 1e-12).sum()), int((changes < -1e-12).sum())
        counts = {"wins": wins, "ties": len(changes) - wins - losses, "losses": losses}
        assert found["users"] == counts
        pairs = ours.mean(axis=1)[:, None] > theirs.mean(axis=1)
        assert found["superiority"] == pytest.approx(pairs.mean())

        checks, seeds = found["checks"], (ours.mean(axis=1), theirs.mean(axis=1))
        assert checks["p_users"] == pytest.approx(scipy.stats.ttest_1samp(changes, 0).pvalue, rel=1e-6)
        if found["baseline"] == "noise":
            expected = scipy.stats.ttest_1samp(seeds[0] - seeds[1], 0)
        elif len(theirs) == 1:
            expected = scipy.stats.ttest_1samp(seeds[0], theirs.mean())
        else:
            expected = scipy.stats.ttest_ind(*seeds, equal_var=False)
        assert checks["p_seeds"] == pytest.approx(expected.pvalue, rel=1e-6)
        assert checks["p_seeds_exact"] is None, "the least p of four runs each is 2 / 70, and 2 are tested"
        assert checks["bootstrap_low"] < found["difference"] < checks["bootstrap_high"]


def test_sources_of_uncertainty(made: tuple[Recomputed, dict[str, Any]]) -> None:
    files, report = made
    sizes = {(found["family"], found["baseline"]): found["family_size"] for found in report["comparisons"]}
    assert [(found["family"], found["baseline"]) for found in report["variance"]] == list(sizes)
    for found in report["variance"]:
        ours, theirs = (files.values(found[side], "ndcg@10") for side in ("proposed", "baseline"))
        scale, kept = theirs.mean(), [[each for each in range(4) if each != run] for run in range(4)]
        if found["baseline"] == "noise":
            ours, theirs = ours - theirs, np.zeros((1, ours.shape[1]))
        without = [ours[others].mean() - theirs.mean() for others in kept]
        if len(theirs) > 1:
            without += [ours.mean() - theirs[others].mean() for others in kept]
        ends = found["without_one_run"]
        assert (ends["low"], ends["high"]) == pytest.approx((min(without), max(without)), rel=1e-9)

        of_users, runs = sources(ours, theirs)
        luck, residual = (sum(values) for values in list(zip(*runs, strict=True))[1:])
        whole = of_users + luck - residual
        assert found["standard_deviation"] == pytest.approx(math.sqrt(whole), rel=1e-7)
        parts = {"users": of_users - residual, "runs": luck - residual, "users_runs": residual}
        expected = {name: pytest.approx(part / whole, rel=1e-6) for name, part in parts.items()}
        assert found["shares"] == expected

        level, seeds = 0.05 / sizes[found["family"], found["baseline"]], found["seeds_to_find"]
        if seeds is None:
            assert power(ours, theirs, 0.05 * scale, level, 1000) < 0.8
            continue
        before, enough = (power(ours, theirs, 0.05 * scale, level, n) for n in (seeds - 1, seeds))
        assert before < 0.8 <= enough


def test_depths(made: tuple[Recomputed, dict[str, Any]]) -> None:
    files, report = made
    for point in report["depths"]:
        values = files.values(point["label"], "ndcg@10", point["depth"])
        valid = files.values(point["label"], "ndcg@10", point["depth"], "valid")
        assert (point["mean"], point["valid_mean"]) == pytest.approx((values.mean(), valid.mean()), rel=1e-9)
    (finding,) = [found for found in report["depth_findings"] if found["label"] == "LARES"]
    (contrast,) = finding["contrasts"]
    changes = files.values("LARES", "ndcg@10", 2) - files.values("LARES", "ndcg@10", 0)
    error, df = crossed(changes, np.zeros((1, changes.shape[1])))
    assert contrast["difference"] == pytest.approx(changes.mean(), rel=1e-9)
    assert (contrast["standard_error"], contrast["df"]) == pytest.approx((error, df), rel=1e-7)
