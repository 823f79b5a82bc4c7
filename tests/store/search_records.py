"""Records of finished searches, made by hand."""

from datetime import UTC, datetime

from small_data import trial_config

from lrbench.config.tuning import Choice, Range, SearchConfig
from lrbench.store.searches import SearchRecord, SearchTrial

__all__ = ["MOMENT", "TRIALS", "search_record"]

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
TRIALS = (
    SearchTrial(number=0, settings={"dropout": 0.1}, state="complete", value=0.2, curve=((1, 0.1), (2, 0.2))),
    SearchTrial(number=1, settings={"dropout": 0.5}, state="pruned", value=0.1, curve=((1, 0.1),)),
)


def search_record(chosen: int = 0, trials: int = 2) -> SearchRecord:
    config = SearchConfig(
        **trial_config().model_dump(),
        space={"dropout": Choice(values=(0.1, 0.5)), "training.learning_rate": Range(low=1e-4, high=1e-2)},
        trials=trials,
        sampler="random",
        pruning="median",
        users=None,
    )
    return SearchRecord(
        id=config.id,
        config=config,
        metric="ndcg@10",
        trials=TRIALS,
        chosen=chosen,
        users=120,
        seconds=1.0,
        device="cpu",
        threads=1,
        versions={},
        started=MOMENT,
        ended=MOMENT,
    )
