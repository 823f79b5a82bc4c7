"""One thread, and the rule that no stored output goes unread."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from one_thread import one_thread
from parity.published import READ, stored_outputs

__all__ = ["one_thread"]


@pytest.fixture(scope="module", autouse=True)
def every_stored_output_is_read(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a module whose tests leave outputs of their folders unread: such numbers say nothing about us.

    It is asked only where all tests of the module have run and passed.
    """
    READ.clear()
    failed = request.session.testsfailed
    yield
    module = request.node
    assert isinstance(module, pytest.Module)
    selected = {item.nodeid for item in request.session.items}
    if request.session.testsfailed > failed or any(test.nodeid not in selected for test in module.collect()):
        return
    unread = {folder: sorted(stored_outputs(folder) - read) for folder, read in READ.items()}
    assert {folder: outputs for folder, outputs in unread.items() if outputs} == {}, Path(module.path).name
