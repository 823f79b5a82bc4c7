import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lrbench.errors import CheckError
from lrbench.execution.weights import load_weights
from lrbench.models.latent.lares.config import LARESConfig
from lrbench.models.latent.lares.model import LARES
from lrbench.store.layout import WEIGHTS_FILE


@pytest.mark.parametrize("kept", [None, 0, 20, -1], ids=["missing", "empty", "within its head", "cut off"])
def test_damaged_weights_are_named_and_the_model_stays_as_it_was(tmp_path: Path, kept: int | None) -> None:
    path, model = tmp_path / WEIGHTS_FILE, nn.Linear(2, 3)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    save_file({name: weight + 1 for name, weight in before.items()}, path)
    content = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(content[:kept])
    fault = "is missing" if kept is None else "cannot be read"
    with pytest.raises(CheckError, match=fault) as caught:
        load_weights(tmp_path, model)
    assert str(path) in caught.value.cause
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_weights_with_parts_that_earlier_versions_kept_unused_are_loaded_without_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = LARESConfig(width=8, inner_width=8, mean_depth=0, adapter="concat")
    stored, model = LARES(config, 10, 6), LARES(config, 10, 6)
    unused = {
        "adapter.weight": torch.ones(8, 16),
        "adapter.bias": torch.ones(8),
        "norm.weight": torch.ones(8),
        "norm.bias": torch.ones(8),
    }
    assert model.left_out == unused.keys()
    save_file({**stored.state_dict(), **unused}, tmp_path / WEIGHTS_FILE)
    load_weights(tmp_path, model)
    assert all(torch.equal(weight, model.state_dict()[name]) for name, weight in stored.state_dict().items())


def test_weights_with_other_names_are_refused(tmp_path: Path) -> None:
    model = LARES(LARESConfig(width=8, inner_width=8, mean_depth=0), 10, 6)
    save_file({**model.state_dict(), "adapter.other": torch.ones(1)}, tmp_path / WEIGHTS_FILE)
    with pytest.raises(CheckError, match="do not fit the model"):
        load_weights(tmp_path, model)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "impostor",
    [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path)],
    ids=["pipe", "folder", "device", "loop"],
)
def test_weights_that_are_no_file_are_not_waited_for(
    impostor: Callable[[Path], object], tmp_path: Path
) -> None:
    impostor(tmp_path / WEIGHTS_FILE)
    with pytest.raises(CheckError, match="cannot be read"):
        load_weights(tmp_path, nn.Linear(2, 3))
