"""Every kind of record is checked against its digest before anything in it is believed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from store.search_records import search_record
from synthetic_results import Made, make_ranks, make_suite, sealed_trial

from lrbench.store.declarations import read_looks
from lrbench.store.evaluations import keep_evaluation
from lrbench.store.integrity import stored_faults
from lrbench.store.layout import Results
from lrbench.store.record_faults import record_faults
from lrbench.store.searches import write_search
from lrbench.store.suites import declared, write_suite
from lrbench.store.trials import read_record

MADE = Made("A", 1.0, "lares", depth=1, depths=(0, 1))


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """A folder with one record of each kind, as this version writes them."""
    results = Results(tmp_path)
    suite = make_suite(tmp_path, [MADE], seeds=[1], proposed=[])
    write_suite(declared(suite, None, results), results.suite(suite.name))
    trial = suite.trials[0].trial
    sealed_trial(tmp_path, trial)
    record = read_record(results.trial(trial))
    keep_evaluation(results, record, make_ranks(MADE, "sample", 1), {}, "cpu", {})
    write_search(search_record(), results)
    return results


def rewritten(change: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        values = json.loads(content)
        change(values)
        return json.dumps(values).encode()

    return changed


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[:-20],
    "empty": lambda content: b"",
    "no object": lambda content: b"[]",
    "null": lambda content: b"null",
    "too deep": lambda content: b"[" * 100_000,
    "no text": lambda content: b"\xff\xfe",
    "its digest taken out": rewritten(lambda values: values.pop("digest")),
    "its digest emptied": rewritten(lambda values: values.update(digest="")),
    "a digest of another type": rewritten(lambda values: values.update(digest=["x"])),
    "a field added": rewritten(lambda values: values.update(more=1)),
    "a value changed": lambda content: content.replace(b'"cpu"', b'"gpu"').replace(b'"A"', b'"B"'),
}


@pytest.mark.parametrize("kind", ["suites/*.json", "searches/*.json", "evaluations/*/evaluation.json"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_record_is_found(kind: str, damage: Callable[[bytes], bytes], results: Results) -> None:
    assert record_faults(results) == []
    (path,) = results.root.glob(kind)
    path.write_bytes(damage(path.read_bytes()))
    (fault,) = record_faults(results)
    assert fault.startswith(str(path))


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_record_of_a_trial_is_found(damage: Callable[[bytes], bytes], results: Results) -> None:
    (path,) = results.root.glob("trials/*/trial.json")
    assert stored_faults(path.parent) == []
    path.write_bytes(damage(path.read_bytes()))
    (fault,) = stored_faults(path.parent)
    assert fault.startswith(str(path))


def test_damaged_lines_about_reports_leave_the_others(tmp_path: Path) -> None:
    right = b'{"time": "2026-01-01T00:00:00Z", "seeds": 3}'
    path = tmp_path / "looks.jsonl"
    path.write_bytes(b"\n".join((right, b"\xff", b"[" * 100_000, b"[]", right[:-9])))
    assert [look.seeds for look in read_looks(path)] == [3]
