"""One convolution with all filters finds what a convolution for each height finds."""

import pytest
import torch
from torch import Tensor

from lrbench.models.sequential.caser import Caser, CaserConfig

TALLEST, WIDTH = 5, 4


@pytest.fixture
def model() -> Caser:
    torch.manual_seed(0)
    return Caser(CaserConfig(width=WIDTH, horizontal_filters=3, tallest=TALLEST), 20, 8).double()


def gradients(model: Caser, value: Tensor, *others: Tensor) -> list[Tensor]:
    wanted = [*others, *model.horizontal.parameters()]
    found = torch.autograd.grad((value * value.detach().cos()).sum(), wanted, allow_unused=True)
    return [torch.zeros_like(of) if got is None else got for of, got in zip(wanted, found, strict=True)]


@pytest.mark.parametrize("length", [1, 3, 5, 8])
def test_all_heights_at_once(model: Caser, length: int) -> None:
    embedded = torch.randn(6, length, WIDTH, dtype=torch.float64, requires_grad=True)
    one_by_one, at_once = model._horizontal(embedded), model._horizontal_at_once(embedded)
    torch.testing.assert_close(at_once, one_by_one)
    expected, found = (gradients(model, value, embedded) for value in (one_by_one, at_once))
    torch.testing.assert_close(found, expected)


def test_norms_at_once(model: Caser) -> None:
    one_by_one = torch.stack([filter_.weight.norm() for filter_ in model._filters()]).sum()
    torch.testing.assert_close(model._filter_norms_at_once(), one_by_one)
    expected, found = (gradients(model, value) for value in (one_by_one, model._filter_norms_at_once()))
    torch.testing.assert_close(found, expected)
