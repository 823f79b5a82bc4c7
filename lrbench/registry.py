"""From a name to a class, imported only when asked for; third parties add names by entry point.

A built-in entry is ``"module:attribute"``; a package adds models of its own by declaring the
entry-point group ``lrbench.models``, and a file of one's own adds some by ``--plugin``
(``lrbench.plugins``). Listing names imports none but the latter.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lrbench.errors import RequestError, did_you_mean
from lrbench.plugins import plugged_models

if TYPE_CHECKING:
    from lrbench.models.base import Model

__all__ = ["MODELS", "Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Named things of one kind, loaded lazily.

    Args:
        kind: the word for one of them in messages.
        built_in: name → ``"module:attribute"``.
        group: entry-point group in which other packages declare theirs.
        plugged: things of plug-in files by name, each with its file; asked anew each time.
    """

    def __init__(
        self,
        kind: str,
        built_in: Mapping[str, str],
        group: str,
        plugged: Callable[[], Mapping[str, tuple[T, Path]]] = dict,
    ) -> None:
        self._kind = kind
        self._built_in = dict(built_in)
        self._group = group
        self._plugged = plugged

    def names(self) -> list[str]:
        """All names, the built-in ones first, in their order."""
        return [*self._built_in, *sorted({*self._foreign(), *self._plugged()})]

    def load(self, name: str) -> T:
        """Import and return what the name stands for.

        Raises:
            RequestError: the name is unknown, or declared more than once.
        """
        foreign, plugged = self._foreign(), self._plugged()
        if name in plugged:
            thing, path = plugged[name]
            if name in self._built_in or name in foreign:
                raise RequestError(
                    f'The {self._kind} "{name}" of {path} is also built in or declared by a package.',
                    "Give yours another name.",
                )
            return thing
        if name in self._built_in and name in foreign:
            raise RequestError(
                f'The {self._kind} "{name}" is built in and also declared by another package.',
                "Uninstall that package or rename its entry point.",
            )
        if name in self._built_in:
            module, _, attribute = self._built_in[name].partition(":")
            loaded: T = getattr(import_module(module), attribute)
            return loaded
        if name in foreign:
            return foreign[name].load()  # type: ignore[no-any-return]
        raise RequestError(f'There is no {self._kind} "{name}".', did_you_mean(name, self.names()))

    def _foreign(self) -> dict[str, Any]:
        return {point.name: point for point in entry_points(group=self._group)}


MODELS: "Registry[type[Model]]" = Registry(
    "model",
    {
        "popularity": "lrbench.models.classical.popularity:Popularity",
        "markov": "lrbench.models.classical.markov:Markov",
        "item-knn": "lrbench.models.classical.item_knn:ItemKNN",
        "ease": "lrbench.models.classical.ease:EASE",
        "gru4rec": "lrbench.models.sequential.gru4rec:GRU4Rec",
        "caser": "lrbench.models.sequential.caser:Caser",
        "sasrec": "lrbench.models.sequential.sasrec:SASRec",
        "sasrec-original": "lrbench.models.sequential.sasrec_original:OriginalSASRec",
        "esasrec": "lrbench.models.sequential.esasrec:ESASRec",
        "fmlp": "lrbench.models.sequential.fmlp:FMLPRec",
        "bsarec": "lrbench.models.sequential.bsarec:BSARec",
        "bert4rec": "lrbench.models.sequential.bert4rec:BERT4Rec",
        "diffurec": "lrbench.models.sequential.diffurec:DiffuRec",
        "hstu": "lrbench.models.sequential.hstu:HSTU",
        "cl4srec": "lrbench.models.sequential.cl4srec:CL4SRec",
        "duorec": "lrbench.models.sequential.duorec:DuoRec",
        "recurrence": "lrbench.models.latent.rearec.recurrence:Recurrence",
        "erl": "lrbench.models.latent.rearec.erl:ERL",
        "prl": "lrbench.models.latent.rearec.prl:PRL",
        "plr": "lrbench.models.latent.rearec.plr:PLR",
        "diffureason": "lrbench.models.latent.diffureason.model:DiffuReason",
        "disenreason": "lrbench.models.latent.disenreason.model:DisenReason",
        "mancar": "lrbench.models.latent.mancar.model:ManCAR",
        "latent-rl": "lrbench.models.latent.latent_rl.model:LatentRL",
        "lares": "lrbench.models.latent.lares.model:LARES",
    },
    group="lrbench.models",
    plugged=plugged_models,
)
