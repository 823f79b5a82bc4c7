"""Leave-one-out: a user's last interaction is the test target, the one before it the validation target."""

import numpy as np

from lrbench.config.protocol import Protocol
from lrbench.data.sequences import EvaluationView, Sequences, Split, TrainingView

__all__ = ["leave_one_out"]


def leave_one_out(sequences: Sequences, protocol: Protocol) -> Split:
    """Hold out each user's last interaction for test and the one before it for validation.

    The validation item is part of the test history. Users with fewer than three interactions would have no
    training interaction before their two held-out items. They are therefore trained on and not evaluated.
    """
    starts, stops = sequences.offsets[:-1], sequences.offsets[1:]
    evaluated = np.flatnonzero(stops - starts >= 3)
    held_out = np.where(stops - starts >= 3, 2, 0)

    def view(before_end: int) -> EvaluationView:
        last = stops[evaluated] - before_end
        return EvaluationView(
            items=sequences.items,
            users=evaluated,
            starts=starts[evaluated],
            stops=last,
            targets=sequences.items[last],
            n_items=sequences.n_items,
            times=sequences.times,
        )

    train = TrainingView(sequences.items, starts, stops - held_out, sequences.n_items, sequences.times)
    return Split(train=train, valid=view(2), test=view(1))
