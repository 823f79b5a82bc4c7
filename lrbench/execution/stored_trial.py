"""Load a stored trial again: the model with its weights, and the data on which it was trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
import torch

from lrbench.config.trial import EvaluationConfig
from lrbench.data.dataset import PreparedDataset, load_prepared
from lrbench.data.obtain import Library
from lrbench.data.sequences import EvaluationView, Split
from lrbench.data.splitting import split
from lrbench.errors import LrbenchError, RequestError
from lrbench.evaluation.latents import steps_taking
from lrbench.evaluation.rank_everything import rank_everything, rank_interventions
from lrbench.evaluation.top_items import TopItems, top_items
from lrbench.execution.train_and_rank import build_model
from lrbench.execution.weights import put_weights, read_weights
from lrbench.models.base import Model
from lrbench.seeds import make_deterministic, noise_seed
from lrbench.store.integrity import check_file
from lrbench.store.layout import WEIGHTS_FILE
from lrbench.store.trials import TrialRecord, read_record

__all__ = ["EvaluatedPart", "OtherDataError", "StoredTrial", "load_trial"]

EvaluatedPart = Literal["valid", "test"]


class OtherDataError(LrbenchError):
    """The data of a trial cannot be had here, or are others. This says nothing of the trial's files."""


@dataclass(frozen=True)
class StoredTrial:
    """A complete trial in memory."""

    folder: Path
    record: TrialRecord
    model: Model
    dataset: PreparedDataset
    split: Split
    device: torch.device

    def ranked(self, evaluation: EvaluationConfig) -> pl.DataFrame:
        """Rank validation and test targets; rows as :data:`lrbench.store.trials.RANKS`."""
        ranks, _ = rank_everything(
            self.model, self.dataset, self.split, evaluation, self.record.seed, self.device
        )
        return ranks

    def ranked_by_depth(self, evaluation: EvaluationConfig) -> pl.DataFrame:
        """Rank as :meth:`ranked` does. Ranks at a depth do not depend on which other depths are asked for.

        Where noise replaces latents, deeper depths draw from the same noise. So each depth is ranked by
        itself.
        """
        if evaluation.latents == "own":
            return self.ranked(evaluation)
        alone = (evaluation.model_copy(update={"depths": (depth,)}) for depth in evaluation.depths)
        return pl.concat(map(self.ranked, alone))

    def ranked_with_interventions(
        self, evaluation: EvaluationConfig
    ) -> tuple[pl.DataFrame, dict[str, float]]:
        """Rank test targets under each intervention.

        Returns:
            Rows as :data:`lrbench.store.trials.RANKS`. And intervention → mean KL divergence of the scores
            without and with it, in nats.
        """
        where = self.dataset, self.split, evaluation, self.record.seed, self.device
        return rank_interventions(self.model, *where)

    def recommended(self, part: EvaluatedPart, depth: int, most: int) -> TopItems:
        """Return the items that the model ranks highest for each user, among the protocol's candidates.

        Args:
            part: the targets whose histories are read.
            depth: number of reasoning steps.
            most: length of the lists; at most the number of items.
        """
        seed = noise_seed(self.record.seed, part, 0)
        with steps_taking(self.record.config.evaluation.latents, self.model):
            return top_items(
                self.model, self.view(part), depth, most, seed, self.device, self.record.protocol.mask_seen
            )

    def view(self, part: EvaluatedPart) -> EvaluationView:
        """Return the histories and targets of a part."""
        return self.split.test if part == "test" else self.split.valid


def load_trial(folder: Path, library: Library) -> StoredTrial:
    """Load a stored trial's data, model and weights.

    Torch then uses as many threads as in training. The device is of the kind on which the trial ran, or the
    CPU if there is no GPU.

    Raises:
        CheckError: the weights are not those of the trial.
        OtherDataError: the data cannot be obtained, or are not those of the trial.
        RequestError: the model or the dataset is not known here.
        LrbenchError: a file is missing or damaged.
    """
    record = read_record(folder)
    weights = read_weights(folder)  # before the data, which may have to be fetched
    dataset = _obtained(record, library)
    device = torch.device("cpu" if record.device == "cpu" or not torch.cuda.is_available() else "cuda")
    torch.set_num_threads(record.threads)
    make_deterministic()
    model = build_model(record.config, dataset, device)
    put_weights(weights, model, folder.name)
    check_file(folder / WEIGHTS_FILE, record)  # those of another seed have the same shapes
    parts = split(dataset.sequences, record.protocol)
    return StoredTrial(folder, record, model, dataset, parts, device)


def _obtained(record: TrialRecord, library: Library) -> PreparedDataset:
    """Obtain the data on which a trial was trained; see :func:`load_trial`."""
    try:
        dataset = load_prepared(library.obtain_folder(record.dataset.name, record.protocol.filters))
    except RequestError:
        raise
    except LrbenchError as error:
        raise OtherDataError(error.cause, error.remedy) from error
    if dataset.record.fingerprint != record.dataset.fingerprint:
        raise OtherDataError(
            f"The prepared {record.dataset.name} has fingerprint {dataset.record.fingerprint}, and "
            f"the trial was trained on {record.dataset.fingerprint}.",
            f"Fetch the source that the trial names: {record.dataset.source}.",
        )
    return dataset
