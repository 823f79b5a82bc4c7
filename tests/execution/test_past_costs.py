"""What finished trials tell about those to come."""

from pathlib import Path

from small_data import order, trial_config
from store.search_records import search_record

from lrbench.execution.past_costs import PastCosts
from lrbench.execution.trial import run_trial


def test_another_seed_teaches_more_than_another_configuration(walks_folder: Path, tmp_path: Path) -> None:
    record = run_trial(order(trial_config(max_epochs=1), walks_folder, tmp_path), lambda news: None)
    longer = record.model_copy(
        update={"config": trial_config(max_epochs=9), "train_seconds": 100.0, "evaluate_seconds": 1.0}
    )
    past_costs = PastCosts([record, longer])
    own = record.train_seconds + record.evaluate_seconds
    assert past_costs.seconds(trial_config(seed=7, max_epochs=1)) == own
    assert past_costs.seconds(trial_config(seed=7, max_epochs=9)) == 101.0
    assert past_costs.seconds(trial_config(seed=7, max_epochs=5)) == 101.0  # the longest of this model here
    assert past_costs.seconds(search_record(trials=2).config) == 202.0  # a search has two such trials
    assert past_costs.seconds(trial_config("lares")) is None
    assert past_costs.peak_bytes(trial_config(seed=7, max_epochs=1)) == record.peak_memory_bytes
    assert past_costs.peak_bytes(trial_config(seed=7, max_epochs=5)) is None
    slow = record.model_copy(update={"train_seconds": 50.0, "evaluate_seconds": 1.0, "peak_memory_bytes": 1})
    for records in ([slow, record], [record, slow]):
        past_costs = PastCosts(records)
        assert past_costs.seconds(record.config) == 51.0
        assert past_costs.peak_bytes(record.config) == record.peak_memory_bytes
