"""The page of the benchmark of a device."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from on_device.measure import PRECISIONS

__all__ = ["Page"]

_HEAD = """# lrbench on {device}

`python benchmarks/gpu.py` writes this page. Times of one step are medians, and those of an epoch are scaled
from them. A dash means that it was not measured.

- Device: {device}.
- Versions: {versions}.
- Data: {dataset} under loo-50; {batch:,} targets a step; default options.
- With *graphs*, steps are recorded once for each shape of batch and replayed (`[training] graph = true`).
  Stages without such a row have steps that cannot be recorded.
"""


class Page:
    """Tables of what was measured.

    Args:
        results: by ``"KIND PART"``, as ``gpu.py`` names them.
        failures: what failed, likewise.
        left_out: parts for which no time was left.
    """

    def __init__(
        self, results: Mapping[str, Any], failures: Mapping[str, str], left_out: Sequence[str]
    ) -> None:
        self._results, self._left_out = results, left_out
        refused = {name: text for name, text in results.items() if _of(name, "conformance") and text}
        self._failures = {**failures, **refused}

    def text(self, device: str, versions: Mapping[str, str], dataset: str, batch: int) -> str:
        """The page as Markdown."""
        listed = ", ".join(f"{name} {number}" for name, number in versions.items())
        head = _HEAD.format(device=device, versions=listed, dataset=dataset, batch=batch)
        parts = (
            self._conformance(),
            self._equality(),
            self._convergence(),
            self._times(),
            self._ranking(),
            self._together(),
        )
        left_out = [
            "## Not measured\n\nNo time was left for these:\n\n" + "\n".join(f"- {n}" for n in self._left_out)
        ]
        return "\n\n".join([head.strip(), *parts, *(left_out if self._left_out else [])]) + "\n"

    def _kind(self, kind: str) -> dict[str, Any]:
        return {name.partition(" ")[2]: found for name, found in self._results.items() if _of(name, kind)}

    def _conformance(self) -> str:
        asked = self._kind("conformance")
        sound = sum(not text for text in asked.values())
        said = (
            "Every stage takes a step in float32 and bfloat16, and its model ranks users at two depths. Only "
            f"deterministic kernels are allowed. {sound} of {len(asked)} pass."
        )
        if not self._failures:
            return f"## Does it run?\n\n{said}"
        failed = _table(("part", "what failed"), self._failures.items())
        return f"## Does it run?\n\n{said}\n\nAll failures of this page:\n\n{failed}"

    def _equality(self) -> str:
        names = [each.name for each in PRECISIONS]
        losses = ((part, *(found[name] for name in names)) for part, found in self._kind("equality").items())
        ranks = ((name, each["differing"], each["largest"]) for name, each in self._kind("ranks").items())
        return (
            "## Are numbers those of the CPU?\n\n"
            "Largest relative difference of the first 20 losses from float32 on the CPU, without dropout and "
            f"noise:\n\n{_table(('stage', *names), losses, '.1e')}\n\n"
            "Ranks by weights that were trained on the CPU, in float32:\n\n"
            f"{_table(('model', 'share of users that differ', 'largest difference'), ranks, '.3g')}"
        )

    def _convergence(self) -> str:
        found = self._kind("convergence").get("sasrec")
        if found is None:
            return "## SASRec to convergence\n\nNot measured."
        return (
            "## SASRec to convergence\n\n"
            f"The trial takes {found['seconds']:.1f} s in bfloat16, of which training takes "
            f"{found['training']:.1f} s. It has {found['epochs']} epochs and a test NDCG@10 of "
            f"{found['ndcg@10']:.4f}."
        )

    def _times(self) -> str:
        rows = [
            (
                name,
                *(found.get(key) for key in ("epoch", "step", "tokens", "kernels", "memory")),
            )
            for name, found in self._kind("time").items()
        ]
        heads = (
            "stage",
            "epoch, s",
            "step, s",
            "tokens/s",
            "share of time in kernels",
            "peak memory, MiB",
        )
        peer = self._kind("recbole").get("sasrec")
        compared = f"\n\nRecBole 1.2.1's SASRec takes {peer['epoch']:.1f} s for an epoch." if peer else ""
        return f"## Training\n\n{_table(heads, rows, '.3g')}{compared}"

    def _ranking(self) -> str:
        rows = self._kind("ranking").items()
        return f"## Ranking\n\nAll test users, in float32.\n\n{_table(('model', 's'), rows, '.3g')}"

    def _together(self) -> str:
        rows = [(count, sum(rates), min(rates)) for count, rates in self._kind("together").items()]
        heads = ("processes", "steps/s in all", "steps/s of the slowest")
        return f"## SASRec in several processes on the device\n\n{_table(heads, rows, '.3g')}"


def _of(name: str, kind: str) -> bool:
    return name.startswith(f"{kind} ")


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]], form: str = "g") -> str:
    return tabulate(list(rows), heads, "github", floatfmt=form, missingval="–")
