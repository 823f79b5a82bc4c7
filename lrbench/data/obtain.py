"""From a dataset's name to its prepared sequences. A current preparation is reused; otherwise one is made."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

from lrbench.config.protocol import Filters
from lrbench.data.catalogue import Catalogue, Dataset
from lrbench.data.catalogue_files import load_catalogue
from lrbench.data.dataset import PreparedDataset, load_prepared
from lrbench.data.fetching.acquire import acquire, acquire_given
from lrbench.data.fetching.at_once import run_at_once
from lrbench.data.fetching.failures import UnfitError
from lrbench.data.fetching.raw_files import AcquiredFile
from lrbench.data.folders import Folders, find_folders
from lrbench.data.listener import Listener, SilentListener
from lrbench.data.preparation.kept import Preparation
from lrbench.data.synthetic.kept_sample import GeneratedPreparation
from lrbench.errors import LrbenchError, RequestError
from lrbench.files import folder_for

__all__ = ["Library", "open_library"]


def open_library(data_dir: Path | None = None, catalogue_file: Path | None = None) -> "Library":
    """Return the datasets that can be asked for by name.

    Args:
        data_dir: the data folder as given on the command line; see :func:`find_folders`.
        catalogue_file: a catalogue of the user's own; its datasets are added to those of lrbench.

    Raises:
        RequestError: a catalogue is missing or malformed, or ``LRBENCH_MIRROR`` is neither a path nor an
            address of a web server.
    """
    folders = find_folders(data_dir)
    return Library(folders, load_catalogue(catalogue_file, folders.user_files))


@dataclass(frozen=True)
class Library:
    """Datasets by name."""

    folders: Folders
    catalogue: Catalogue

    def find_prepared(self, name: str, filters: Filters) -> Path | None:
        """Return the folder of a current preparation, of the most preferred form that has one.

        Raises:
            RequestError: there is no such dataset, or a file of the user's own is missing.
            LrbenchError: a file of the user's own does not have the checksum of their catalogue.
        """
        return self._current(self.catalogue.find(name), filters, SilentListener())

    def obtain(
        self, name: str, filters: Filters, listener: Listener | None = None, given: str | None = None
    ) -> PreparedDataset:
        """Return a dataset prepared with these filters; see :meth:`obtain_folder`."""
        return load_prepared(self.obtain_folder(name, filters, listener, given))

    def obtain_folder(
        self, name: str, filters: Filters, listener: Listener | None = None, given: str | None = None
    ) -> Path:
        """Return the folder of a prepared dataset, fetching and preparing what is missing.

        Args:
            name: a name or alias of the catalogue.
            filters: those of a protocol, or the dataset's own.
            listener: gets the progress of fetching.
            given: the value of ``--from``, which replaces what is here; see ``acquire_given``.

        Raises:
            RequestError: there is no such dataset, or a file cannot be read in its form. Or the data folder
                lacks what is asked for and cannot be written.
            FilterError: the filters leave nothing, or need ratings that are not there.
            LrbenchError: no place gave the file.
            CheckError: the sizes are not those of the catalogue.
        """
        outcome = self.obtain_all([name], filters, listener or SilentListener(), given)[name]
        if isinstance(outcome, LrbenchError):
            raise outcome
        return outcome

    def obtain_all(
        self, names: Iterable[str], filters: Filters | None, listener: Listener, given: str | None = None
    ) -> dict[str, "Path | LrbenchError"]:
        """Obtain several datasets at once. One that fails does not stop the others.

        Files are fetched at the same time; datasets are prepared one after the other, since that takes much
        memory. An interrupt ends all within a second.

        Args:
            names: names or aliases of the catalogue.
            filters: ``None``: each dataset's own.
            listener, given: as for :meth:`obtain_folder`.

        Returns:
            For each name the folder of the prepared dataset, or what went wrong.

        Raises:
            RequestError: a name is not in the catalogue, or the data folder cannot be made.
        """
        wanted = {name: self.catalogue.find(name) for name in names}
        preparing = Lock()
        jobs = {
            dataset.name: partial(self._obtain, dataset, filters or dataset.filters, given, preparing)
            for dataset in wanted.values()
        }
        with self._data_folder():
            outcomes = run_at_once(jobs, listener)
        return {name: outcomes[dataset.name] for name, dataset in wanted.items()}

    def _obtain(
        self, dataset: Dataset, filters: Filters, given: str | None, preparing: Lock, listener: Listener
    ) -> Path:
        """Reuse, or fetch and prepare, one dataset."""
        current = None if given is not None else self._current(dataset, filters, listener)
        if current is not None:
            return current
        if dataset.generated and given is None:
            generated = GeneratedPreparation(dataset, filters, self.folders)
            with preparing:
                generated.make(listener)
            return generated.folder

        def prepare(file: AcquiredFile) -> Path:
            preparation = Preparation(dataset, filters, self.folders, file.source)
            with preparing:
                preparation.make(file, listener)
            return preparation.folder

        sources = self.catalogue.sources(dataset)
        if given is None:
            file = acquire(dataset.name, sources, self.folders, listener, prepare)
        else:
            file = acquire_given(dataset.name, sources, self.folders, listener, given, prepare)
        try:
            return prepare(file)
        except UnfitError as unfit:
            raise unfit.error from unfit

    def _current(self, dataset: Dataset, filters: Filters, listener: Listener) -> Path | None:
        if dataset.generated:
            generated = GeneratedPreparation(dataset, filters, self.folders)
            return generated.folder if generated.is_current(listener) else None
        for source in self.catalogue.sources(dataset):
            preparation = Preparation(dataset, filters, self.folders, source)
            if preparation.is_current(listener):
                return preparation.folder
        return None

    @contextmanager
    def _data_folder(self) -> Iterator[None]:
        """Make the data folder for the block; see :func:`folder_for`."""
        with ExitStack() as made:
            try:
                made.enter_context(folder_for(self.folders.data_dir))
            except OSError as error:
                raise RequestError(
                    f"The data folder {self.folders.data_dir} cannot be made: {error.strerror}.",
                    "Choose another with --data-dir.",
                ) from error
            yield
