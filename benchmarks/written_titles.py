"""What language models recommend before and after training: titles for some test users of a suite's trials.

    python benchmarks/written_titles.py SUITE LABEL … --results DIR --data-dir DIR --users 6

It prints a table. *Written* is the text that the model writes freely after the prompt and its latents, always
the most probable token. *Found* is the best title of its beam search.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from lrbench.config.trial import TrialConfig
from lrbench.data.batches import evaluation_batches
from lrbench.data.dataset import PreparedDataset, load_prepared
from lrbench.data.obtain import open_library
from lrbench.data.splitting import split
from lrbench.execution.train_and_rank import build_model
from lrbench.execution.weights import load_weights
from lrbench.models.language.recommender import LanguageRecommender
from lrbench.store.frames import finished_trials
from lrbench.store.layout import Results
from lrbench.store.suites import find_suite_record

CPU = torch.device("cpu")
MOST_TOKENS = 24


@torch.inference_mode()
def titles(
    model: LanguageRecommender[Any], config: TrialConfig, dataset: PreparedDataset, users: int
) -> list[tuple[str, str, str]]:
    """Return target, written text and found title of each of the first test users."""
    view = split(dataset.sequences, config.protocol).test.reordered(np.arange(users))
    ((_, sequences),) = evaluation_batches(view, config.protocol.max_length, users, CPU)
    rows = model.prompts.of(sequences)
    depth, names, found = model.configured_depth(model.config), list(dataset.names), []
    best = model.encode(sequences, (depth,), None)[0].argmax(1).tolist()
    for row, target, item in zip(rows, view.targets.tolist(), best, strict=True):
        (end,) = model.ends(model.language.read([row], CPU), torch.zeros(1, dtype=torch.long), (depth,), None)
        tokens: list[int] = []
        while len(tokens) < MOST_TOKENS and (not tokens or tokens[-1] != model.tokens.end):
            tokens.append(int(model.language.logits(end.end[:, 0]).argmax()))
            end, _ = end.grown(model.language.embed(torch.tensor([[[tokens[-1]]]])))
        text = model.tokens.decode([token for token in tokens if token != model.tokens.end])
        found.append((names[target], " ".join(text.split()), names[item]))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite")
    parser.add_argument("labels", nargs="+", metavar="LABEL")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--data-dir", type=Path, help="folder of the datasets (default: lrbench's own)")
    parser.add_argument("--users", type=int, default=6)
    given = parser.parse_args()
    torch.set_num_threads(1)
    results = Results(given.results)
    done, _ = finished_trials(find_suite_record(results, given.suite), results)
    trials = {trial.cell.label: trial for trial in done}
    lines: dict[tuple[int, str], list[str]] = {}
    for label in given.labels:
        record, folder = trials[label].record, trials[label].folder
        kept = open_library(given.data_dir).find_prepared(
            record.config.dataset, record.config.protocol.filters
        )
        if kept is None:
            raise SystemExit(f"{record.config.dataset} is not prepared: run lrbench fetch first")
        dataset = load_prepared(kept)
        model = build_model(record.config, dataset, CPU).eval()
        assert isinstance(model, LanguageRecommender)
        for when in ("untrained", "trained"):
            if when == "trained":
                load_weights(folder, model)
            for user, (target, written, best) in enumerate(
                titles(model, record.config, dataset, given.users)
            ):
                lines[user, f"{label}, {when}"] = [target, f"{label}, {when}", written, best]
    rows = [lines[key] for key in sorted(lines, key=lambda key: key[0])]
    print(tabulate(rows, ["target", "model", "written", "found"], tablefmt="pipe", disable_numparse=True))


if __name__ == "__main__":
    main()
