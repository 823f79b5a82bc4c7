"""EASE: the linear item-to-item model with zero diagonal, in closed form (Steck, WWW 2019).

X is the users × items matrix of the training part, and ``P = (XᵀX + λI)⁻¹``. The weights are ``B = I − P /
diag(P)`` with diagonal 0. The scores for a history are the sum of the rows of B that belong to its items.

The inverse briefly takes 3 × items² numbers of float32, which is 1.8 GB for 12,101 items. A catalogue of more
than 40,000 items is therefore refused.
"""

import numpy as np
import scipy.linalg
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from lrbench.data.sequences import TrainingView
from lrbench.errors import LrbenchError, SettingsError
from lrbench.models.base import ModelConfig
from lrbench.models.classical.closed_form import ClosedForm, distinct_items, user_item_matrix

__all__ = ["EASE", "EASEConfig"]

_MOST_ITEMS = 40_000


class EASEConfig(ModelConfig):
    """Regularisation."""

    source = "EASE of RecBole 1.2.1"

    regularisation: float = Field(default=250.0, gt=0)
    """λ, regularisation (RecBole 1.2.1: 250; the paper tunes 200 to 1,000)."""


class EASE(ClosedForm[EASEConfig]):
    """Linear item-to-item weights in closed form.

    Raises:
        LrbenchError: the catalogue has more than 40,000 items.
    """

    Config = EASEConfig
    summary = "EASE: linear item-to-item weights in closed form (Steck 2019)."

    weights: Tensor

    def __init__(self, config: EASEConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        if n_items > _MOST_ITEMS:
            raise LrbenchError(
                f"EASE inverts a matrix of items × items, and {n_items:,} items are too many for that.",
                "Leave it out, or take a dataset with fewer items.",
            )
        self.register_buffer("weights", torch.zeros(n_items, n_items))

    def fit(self, view: TrainingView) -> None:
        """Invert the regularised co-occurrences.

        Raises:
            SettingsError: rounding leaves them without an inverse, because regularisation is too small.
        """
        users_of = user_item_matrix(view).astype(np.float32)
        gram = (users_of.T @ users_of).toarray()
        gram[np.diag_indices_from(gram)] += self.config.regularisation
        try:
            factor = scipy.linalg.cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
        except scipy.linalg.LinAlgError as error:
            raise _not_invertible() from error
        inverse, status = scipy.linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
        if status:
            raise _not_invertible()
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        weights = inverse / -np.diag(inverse)  # column j over its diagonal entry
        weights[np.diag_indices_from(weights)] = 0
        self.weights.copy_(torch.from_numpy(np.ascontiguousarray(weights)))

    def score(self, states: Tensor) -> Tensor:
        """Sums of the weights of the distinct items of the history, (rows, items)."""
        rows, items = distinct_items(states)
        counts = torch.bincount(rows, minlength=len(states))
        return F.embedding_bag(items, self.weights, counts.cumsum(0) - counts, mode="sum")


def _not_invertible() -> SettingsError:
    return SettingsError("The co-occurrences cannot be inverted.", "Raise regularisation.")
