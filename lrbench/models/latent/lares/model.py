"""LARES: latent reasoning by a core block that is applied again and again (arXiv 2505.16865).

Stage ``spt`` pre-trains the network with alignment terms; stage ``rpt`` then refines it by reinforcement.
Defaults are those of the authors' run scripts (BishopLiu/LARES @b09245d, ``run_sl.sh``, ``run_rl.sh``). Their
softmax includes a padding item. Here it does so only with ``padding = "tokens"``.

The first step takes over no state: it starts from noise or zeros. With ``mean_depth = 1`` the control
``noise-only`` is therefore the model itself, and interventions change nothing.
"""

from typing import ClassVar

from lrbench.models.base import AuthorsTraining
from lrbench.models.latent.lares.config import LARESConfig
from lrbench.models.latent.lares.network import LARESNetwork
from lrbench.models.latent.lares.pretraining import SelfSupervised
from lrbench.models.latent.lares.reinforcement import PostTraining
from lrbench.models.supervised import Supervised

__all__ = ["LARES", "LARESConfig"]


class LARES(LARESNetwork):
    """Latent reasoning with a core block that all steps share, trained by SPT and then RPT."""

    summary = "LARES: depth-recurrent latent reasoning with SPT and RPT (arXiv 2505.16865)."
    authors_training = AuthorsTraining(note="Stage rpt has their learning rate and batch size by default.")
    stages: ClassVar = {"supervised": Supervised, "spt": SelfSupervised, "rpt": PostTraining}
    default_stages = ("spt", "rpt")
    stage_defaults: ClassVar = {"rpt": {"learning_rate": 5e-4, "batch_size": 400}}
