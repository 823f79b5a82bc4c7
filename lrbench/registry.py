"""Maps names to classes, which are imported only when they are asked for.

A built-in entry is ``"module:attribute"``. Another package adds models by the entry-point group
``lrbench.models``. A single file adds models by ``--plugin`` (``lrbench.plugins``). Listing the names imports
such single files, and nothing else.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from lrbench.errors import RequestError, did_you_mean
from lrbench.model_class import model_fault
from lrbench.plugins import failed_line, plugged_models, plugin_fingerprint
from lrbench.text import shortened

if TYPE_CHECKING:
    from lrbench.models.base import Model

__all__ = ["MODELS", "Registry", "model_origin"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Named things of one kind, loaded lazily.

    Args:
        kind: the word for one of them in messages, such as ``model``.
        built_in: name → ``"module:attribute"``.
        group: entry-point group in which other packages declare theirs. ``None``: they cannot.
        plugged: returns the things of plug-in files by name, each with its file. It is called at every use.
        fault: returns what is wrong with a name and thing of another package. Empty if nothing is.
        elsewhere: a sentence for an unknown name: where else such things are, and how to name them.
    """

    def __init__(
        self,
        kind: str,
        built_in: Mapping[str, str],
        group: str | None = None,
        plugged: Callable[[], Mapping[str, tuple[T, Path]]] = dict,
        fault: Callable[[str, object], str] = lambda name, thing: "",
        elsewhere: str = "",
    ) -> None:
        self._kind = kind
        self._built_in = dict(built_in)
        self._group = group
        self._plugged = plugged
        self._fault = fault
        self._elsewhere = elsewhere

    def names(self) -> list[str]:
        """Return all names: the built-in ones in their order, then the others by alphabet.

        Raises:
            RequestError: two packages declare one name, or a plug-in file cannot be used.
        """
        return [*self._built_in, *sorted({*self._foreign, *self._plugged()})]

    def load(self, name: str) -> T:
        """Import and return the thing of a name.

        Raises:
            RequestError: the name is unknown or declared more than once, or the thing of a package or plug-in
                file cannot be used.
        """
        foreign, plugged = self._foreign, self._plugged()
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
            return self._load_foreign(foreign[name])
        remedies = (did_you_mean(name, self.names()), self._elsewhere)
        raise RequestError(f'There is no {self._kind} "{name}".', " ".join(filter(None, remedies)))

    def package(self, name: str) -> str | None:
        """Return the package that declares a thing, with its version: ``fading-models 1.0``.

        ``None``: the thing is built in or of a plug-in file, or there is none.
        """
        point = None if name in self._plugged() else self._foreign.get(name)
        if point is None:
            return None
        return f"{point.dist.name} {point.dist.version}" if point.dist else point.value

    def failed_package(self, error: BaseException) -> tuple[str, str] | None:
        """Return the package that declares things here and in which an error was raised, and the line.

        ``None``: the error passed through no such package.
        """
        for point in entry_points(group=self._group) if self._group else ():
            if line := failed_line(error, point.module.partition(".")[0]):
                return _package(point), line
        return None

    @cached_property
    def _foreign(self) -> dict[str, EntryPoint]:
        """Entry points of other packages by name, looked up once, since that reads files of all packages.

        Raises:
            RequestError: two packages declare one name.
        """
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self._group) if self._group else ():
            if point.name in found and point.value != found[point.name].value:
                raise RequestError(
                    f"Both {_package(found[point.name])} and {_package(point)} declare a {self._kind} "
                    f'"{point.name}".',
                    "Uninstall one of them.",
                )
            found[point.name] = point
        return found

    def _load_foreign(self, point: EntryPoint) -> T:
        try:
            thing: T = point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a package may raise anything, also SystemExit and GeneratorExit
            reason = shortened(f"{type(error).__name__}: {error}", 300)
            line = failed_line(error, point.module.partition(".")[0])
            where = f" The error is in {line}." if line else ""
            raise RequestError(
                f'The {self._kind} "{point.name}" of {_package(point)} cannot be loaded: {reason}.{where}',
                "Mend or uninstall that package.",
            ) from error
        if fault := self._fault(point.name, thing):
            raise RequestError(
                f'{_package(point)} declares a {self._kind} "{point.name}", but {fault}.',
                "Mend or uninstall that package.",
            )
        return thing


def _package(point: EntryPoint) -> str:
    return f"the package {point.dist.name}" if point.dist else point.value


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
        "bigrec-beam": "lrbench.models.language.bigrec_beam:BigRecBeam",
        "bigrec-ground": "lrbench.models.language.assisted.bigrec_ground:BigRecGround",
        "d3": "lrbench.models.language.assisted.d3:D3",
        "latentr3": "lrbench.models.language.latentr3.model:LatentR3",
    },
    group="lrbench.models",
    plugged=plugged_models,
    fault=model_fault,
    elsewhere="A model in a file of your own needs --plugin FILE.",
)


def model_origin(name: str) -> str | None:
    """Return what tells one version of another author's model from the next; it is part of the ids of trials.

    A model of a plug-in file has a hash of the file, and one of a package the package's name and version.
    ``None``: it is a model of lrbench.
    """
    return plugin_fingerprint(name) or MODELS.package(name)
