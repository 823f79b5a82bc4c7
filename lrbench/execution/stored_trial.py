"""Stored trials brought back to life: the model with its weights and the data it was trained on."""

from dataclasses import dataclass
from pathlib import Path

import torch

from lrbench.data.dataset import PreparedDataset, load_prepared
from lrbench.data.sequences import Split
from lrbench.data.splitting import split
from lrbench.errors import CheckError, RequestError, did_you_mean
from lrbench.execution.reuse_stages import use_latents
from lrbench.execution.trial import build_model
from lrbench.execution.weights import load_weights
from lrbench.models.base import Model
from lrbench.seeds import make_deterministic
from lrbench.store.layout import Results
from lrbench.store.trials import TrialRecord, read_record

__all__ = ["StoredTrial", "find_trial", "revive"]


@dataclass(frozen=True)
class StoredTrial:
    """A complete trial, ready to be ranked again."""

    folder: Path
    record: TrialRecord
    model: Model
    dataset: PreparedDataset
    split: Split
    device: torch.device


def find_trial(results: Results, given: str) -> Path:
    """Return the folder of a trial given by its path, its id or the beginning of its id.

    Raises:
        RequestError: there is none, or several.
    """
    if (Path(given) / "trial.json").is_file():
        return Path(given)
    folder = results.root / "trials"
    names = sorted(path.name for path in folder.glob("[!.]*")) if folder.is_dir() else []
    matching = [name for name in names if name.startswith(given)]
    if len(matching) == 1 or given in matching:
        return folder / (given if given in matching else matching[0])
    if matching:
        raise RequestError(f'{len(matching)} trials begin with "{given}".', f"Say more: {matching[0]} …")
    near = did_you_mean(given, names) if len(names) <= 1000 else ""
    raise RequestError(f'There is no trial "{given}" in {folder}.', near)


def revive(folder: Path, dataset_folder: Path, device: torch.device) -> StoredTrial:
    """Build a stored trial's model and load its weights, with the threads it was trained with.

    Raises:
        CheckError: the prepared data is not the trial's, or the weights are not this version's.
    """
    record = read_record(folder)
    dataset = load_prepared(dataset_folder)
    if dataset.record.fingerprint != record.dataset.fingerprint:
        raise CheckError(
            f"The prepared {record.dataset.name} has fingerprint {dataset.record.fingerprint}, "
            f"the trial was trained on {record.dataset.fingerprint}.",
            f"Fetch the source that the trial names: {record.dataset.source}.",
        )
    torch.set_num_threads(record.threads)
    make_deterministic()
    model = build_model(record.config, dataset.sequences.n_items, device)
    load_weights(folder, model)
    use_latents(model, record.config.evaluation)
    parts = split(dataset.sequences, record.protocol)
    return StoredTrial(folder, record, model, dataset, parts, device)
