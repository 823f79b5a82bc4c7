"""What trials on other machines report is read as far as it can be read."""

from pathlib import Path

from lrbench.execution.events import TrialNote
from lrbench.execution.perform import _append
from lrbench.execution.remote.event_files import EventFiles
from lrbench.store.layout import Results


def test_half_a_line_of_a_killed_job_hides_no_other_line(tmp_path: Path) -> None:
    results = Results(tmp_path)
    file = results.events("t")
    file.parent.mkdir()
    first, second, third = (TrialNote(trial="t", text=text) for text in ("one", "two", "three"))
    _append(first, file)
    with file.open("a", encoding="utf-8") as killed:
        killed.write(second.model_dump_json()[:20])
    found = EventFiles(results)
    assert found.new(["t"]) == [first]
    _append(third, file)
    assert found.new(["t"]) == [third]
