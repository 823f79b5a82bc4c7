"""Small results folders for tests: real trial files with ranks drawn from a seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lrbench.config.protocol import Filters, find_protocol
from lrbench.config.training import TrainingConfig
from lrbench.config.trial import EvaluationConfig, StageConfig, TrialConfig
from lrbench.config.tuning import Choice, SearchConfig
from lrbench.data.dataset import DatasetRecord, PreparedDataset, StepCounts
from lrbench.data.sequences import Sequences
from lrbench.files import new_folder, write_text
from lrbench.metrics import metric_function
from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.report.tables import Section, make_sections
from lrbench.store.evaluations import keep_evaluation
from lrbench.store.layout import Results
from lrbench.store.seal import file_digest, sealed_json
from lrbench.store.searches import SearchRecord, SearchTrial, write_search
from lrbench.store.suites import SuiteRecord, SuiteTrial, write_suite
from lrbench.store.trials import RANKS, DatasetSummary, StageRecord, TrialRecord, read_record

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
USERS = 400
ITEMS = 500


@dataclass(frozen=True)
class Made:
    """How good a made-up model is: ``skill`` lowers the logarithm of its ranks."""

    label: str
    skill: float = 0.0
    model: str = "sasrec"
    deterministic: bool = False
    depth: int = 0
    depths: tuple[int, ...] = (0,)
    per_doubling: float = 0.0
    draws: int = 1
    luck: float = 0.05
    """Spread of the training runs, in logarithms of ranks."""

    match: float = 0.4
    """Spread of how well it suits a user."""

    recipe: str = ""
    """Models of one recipe share their parameters, and the luck of their runs; none: a recipe of its own."""

    stages: tuple[str, ...] = ()
    """None: those usual for the model."""

    record: Mapping[str, Any] = field(default_factory=dict)
    """Fields of ``trial.json`` that differ from the usual ones."""


QUICKSTART = (
    Made("Popularity", 0.0, "popularity", deterministic=True),
    Made("SASRec", 1.0),
    Made("LARES", 1.7, "lares", depth=4, depths=(0, 1, 2, 4, 8), per_doubling=0.1),
    Made("LARES w/o_RPT & 50%", 1.65, "lares", depth=4, depths=(0, 1, 2, 4, 8), per_doubling=0.1),
)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def make_suite(
    root: Path,
    models: Sequence[Made] = QUICKSTART,
    datasets: Sequence[str] = ("sample",),
    seeds: Sequence[int] = (1, 2, 3),
    proposed: Sequence[str] = ("LARES",),
    **changes: Any,
) -> SuiteRecord:
    """Write a suite with all its trials below ``root`` and return its record."""
    cells = [
        SuiteTrial(label=made.label, dataset=dataset, seed=seed, trial=write_trial(root, made, dataset, seed))
        for dataset in datasets
        for made in models
        for seed in ([0] if made.deterministic else seeds)
    ]
    record = SuiteRecord(
        name="demo",
        protocol=find_protocol("loo-20"),
        datasets=tuple(datasets),
        labels=tuple(made.label for made in models),
        seeds=tuple(seeds),
        primary_metric="ndcg@10",
        proposed=tuple(proposed),
        trials=tuple(cells),
    ).model_copy(update=changes)
    write_suite(record, Results(root).suite(record.name))
    return record


def write_trial(root: Path, made: Made, dataset: str, seed: int, users: int = USERS) -> str:
    """Write one trial's folder and return its id."""
    config = _config(made, dataset, seed)
    ranks = make_ranks(made, dataset, seed, users)
    with new_folder(Results(root).trial(config.id)) as folder:
        ranks.write_parquet(folder / "ranks.parquet", statistics=False)  # as trials do
        _history(made, seed).write_parquet(folder / "history.parquet")
        write_text(folder / "trial.json", _record(made, config, ranks).model_dump_json(indent=2))
    return config.id


def sealed_trial(root: Path, trial: str) -> None:
    """Give a trial's record the digests of its files."""
    folder = Results(root).trial(trial)
    files = [path for path in folder.iterdir() if path.name != "trial.json"]
    rewrite_record(root, trial, digests={path.name: file_digest(path) for path in files})


def evaluated_later(root: Path, made: Made, dataset: str, seed: int, trial: str) -> None:
    """Keep further ranks of a trial, as ``lrbench evaluate --interventions zero`` does."""
    record = read_record(Results(root).trial(trial))
    ranks = make_ranks(made, dataset, seed)
    zero = make_ranks(replace(made, skill=0.2, depths=(record.depth,)), dataset, seed)
    changed = zero.filter(split="test").with_columns(intervention=pl.lit("zero"))
    keep_evaluation(Results(root), record, pl.concat((ranks, changed)), {"zero": 0.5}, "cpu", {"torch": "2"})


def make_search(root: Path, config: TrialConfig, trials: int = 3) -> str:
    """Write a complete search of settings for the model of a trial, and return its id."""
    searched = SearchConfig(
        **config.model_dump(),
        space={"dropout": Choice(values=(0.1, 0.3))},
        trials=trials,
        sampler="random",
        pruning="none",
        users=None,
    )
    tried = (
        SearchTrial(number=n, settings={"dropout": 0.1}, state="complete", value=0.1 + n / 100)
        for n in range(trials)
    )
    record = SearchRecord(
        id=searched.id,
        config=searched,
        metric="ndcg@10",
        trials=tuple(tried),
        chosen=trials - 1,
        users=9,
        seconds=1.0,
        device="cpu",
        threads=1,
        versions={},
        started=MOMENT,
        ended=MOMENT,
    )
    write_search(record, Results(root))
    return record.id


def rewrite_record(root: Path, trial: str, **fields: Any) -> None:
    """Change fields of a trial's record, as if the trial had written it so."""
    path = Results(root).trial(trial) / "trial.json"
    record = TrialRecord.model_validate_json(path.read_text(encoding="utf-8")).model_copy(update=fields)
    write_text(path, sealed_json(record))


def rewrite_ranks(root: Path, trial: str, change: pl.Expr) -> None:
    """Change columns of a trial's ranks, as if the trial had written them so."""
    path = Results(root).trial(trial) / "ranks.parquet"
    ranks = pl.read_parquet(path).with_columns(change)
    ranks.write_parquet(path)
    rewrite_record(root, trial, metrics=_means(ranks))


def make_ranks(made: Made, dataset: str, seed: int, users: int = USERS) -> pl.DataFrame:
    """Ranks whose logarithm is taste of the user - skill - luck of the run - noise."""
    taste = _generator(dataset, "taste").normal(4.0, 1.5, users)
    match = _generator(dataset, made.label, "match").normal(0, made.match, users)
    recipe = made.recipe or made.label
    luck = _generator(dataset, recipe, seed).normal(0, 0.0 if made.deterministic else made.luck)
    noise = _generator(dataset, recipe, seed, "noise")
    parts = []
    for split in ("valid", "test"):
        for draw in range(made.draws):
            steady = noise.normal(0, 0.5, users)
            for depth in made.depths:
                gain = made.skill + made.per_doubling * np.log2(depth + 1)
                rank = np.clip(np.floor(np.exp(taste - match - luck - steady - gain)), 1, ITEMS)
                parts.append(_frame(split, depth, draw, rank))
    return pl.concat(parts)


def _generator(*parts: object) -> np.random.Generator:
    return np.random.default_rng(list(repr(parts).encode()))


def _frame(split: str, depth: int, draw: int, rank: np.ndarray) -> pl.DataFrame:
    users = len(rank)
    return pl.DataFrame(
        {
            "split": [split] * users,
            "user": [f"u{user}" for user in range(users)],
            "target": [f"i{(7 * user) % ITEMS}" for user in range(users)],
            "depth": [depth] * users,
            "draw": [draw] * users,
            "rank": rank,
            "rank_masked": np.maximum(1, rank - 3),
            "ties": np.zeros(users, dtype=np.int32),
            "ties_masked": np.zeros(users, dtype=np.int32),
            "intervention": ["none"] * users,
        },
        schema=RANKS,
    )


def _history(made: Made, seed: int) -> pl.DataFrame:
    if made.deterministic:
        return pl.DataFrame(schema={"stage": pl.String, "epoch": pl.Int64, "loss": pl.Float64})
    stages = ["spt"] * 8 + ["rpt"] * 4 if made.model == "lares" else ["supervised"] * 12
    curve = 0.1 * (1 + made.skill) * (1 - np.exp(-np.arange(1, 13) / 4)) + 0.002 * seed
    return pl.DataFrame(
        {
            "stage": stages,
            "epoch": [stages[:index].count(stage) + 1 for index, stage in enumerate(stages)],
            "loss": 6 - 10 * curve,
            "validation_metric": curve,
        }
    )


def _config(made: Made, dataset: str, seed: int) -> TrialConfig:
    usual = ("spt", "rpt") if made.model == "lares" else ("supervised",)
    return TrialConfig(
        dataset=dataset,
        fingerprint="f00d",
        protocol=find_protocol("loo-20"),
        model=made.model,
        params={"label": made.recipe or made.label},
        stages=tuple(StageConfig(name=name, training=TrainingConfig()) for name in made.stages or usual),
        evaluation=EvaluationConfig(depths=made.depths, draws=made.draws),
        seed=seed,
    )


def _record(made: Made, config: TrialConfig, ranks: pl.DataFrame) -> TrialRecord:
    moment = datetime(2026, 11, 1, 12, tzinfo=UTC)
    costs: dict[str, float] = {
        "parameters": 123_456,
        "flops_per_user": 2.5e6 * (1 + made.depth) + 1e5 * len(made.label),
        "train_seconds": 43.0 + config.seed,
    }
    usual = TrialRecord(
        id=config.id,
        dataset=_summary(config.dataset),
        protocol=config.protocol,
        model=made.model,
        params=config.params,
        deterministic=made.deterministic,
        config=config,
        stages=tuple(_stage(stage.name, made.deterministic) for stage in config.stages),
        seed=config.seed,
        depth=made.depth,
        draws=made.draws,
        metrics=_means(ranks),
        tie_share=0.0,
        **(COUNTED if made.deterministic else costs),
        evaluate_seconds=1.5,
        peak_memory_bytes=300_000_000,
        device="cpu",
        threads=2,
        versions={"python": "3.11.7", "torch": "2.13.0", "lrbench": "0.1.0"},
        started=moment,
        ended=moment,
    )
    return usual.model_copy(update=dict(made.record))


COUNTED = {"parameters": 0, "flops_per_user": 0.0, "train_seconds": 0.1}
"""What a model costs that counts and has no weights."""


def _summary(dataset: str) -> DatasetSummary:
    usual = DatasetSummary(
        name=dataset,
        edition="an edition with_underscores & 5%",
        fingerprint="f00d",
        source="made here",
        verified=True,
        counts=StepCounts(step="5-core", users=USERS, items=ITEMS, interactions=9000),
    )
    if dataset != "sample":
        return usual
    generated = "generated by lrbench from a fixed seed"
    return usual.model_copy(update={"edition": generated, "synthetic": True, "best_recall_at_10": 0.55})


def _stage(name: str, fitted: bool) -> StageRecord:
    if fitted:
        return StageRecord(
            name=name, epochs=0, steps=0, seconds=0.1, best_epoch=None, best_metric=None, stopped="fitted"
        )
    return StageRecord(
        name=name, epochs=12, steps=340, seconds=21.5, best_epoch=3, best_metric=0.1, stopped="patience"
    )


def _means(ranks: pl.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    means: dict[str, dict[str, dict[str, float]]] = {}
    for (split, depth), rows in ranks.group_by("split", "depth", maintain_order=True):
        value = float(metric_function("ndcg@10")(rows["rank"].to_numpy()).mean())
        means.setdefault(str(split), {})[str(depth)] = {"ndcg@10": value}
    return means


def prepared(name: str, fingerprint: str = "f00d") -> PreparedDataset:
    """Users of the made-up trials with histories of 2 to 21 interactions, mostly of popular items."""
    generator = np.random.default_rng(0)
    lengths = 3 + np.arange(USERS) % 20
    items = generator.zipf(1.5, lengths.sum()) % 500
    record = DatasetRecord(
        own_clocks=False,
        name=name,
        edition="made here",
        source="made here",
        source_sha256="",
        verified=True,
        filters=Filters(),
        counts=(StepCounts(step="raw", users=USERS, items=500, interactions=int(lengths.sum())),),
        fingerprint=fingerprint,
    )
    return PreparedDataset(
        record=record,
        sequences=Sequences(items.astype(np.int32), np.concatenate([[0], lengths.cumsum()]), None, 500),
        user_ids=pl.Series([f"u{user}" for user in reversed(range(USERS))]),
        item_ids=pl.Series([f"i{item}" for item in range(500)]),
        titles=pl.Series([None] * 500, dtype=pl.String),
    )


def section_of(report: Report, name: str) -> Section:
    """Return a section of a report by its name."""
    (section,) = make_sections(report, Layout(tables=(name,)))
    return section
