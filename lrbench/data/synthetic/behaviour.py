"""A model of sequential behaviour whose best possible prediction is known exactly.

A user has a latent interest that drifts: a Markov chain with sticky states. The next item comes

- with probability ``follow`` from the successors of the last item,
- with probability ``echo`` from the successors of the item before that (a habit that was interrupted),
- otherwise from the current interest's own power law over the items.

Items that the user already has are left out, and the rest is normalised again. So nothing repeats.

Given the history, only the interest is unknown. Forward filtering therefore gives the exact distribution of
the next item (Rabiner, Proceedings of the IEEE 1989, equations 19 to 21). No model that sees only the
history can rank better than by these probabilities.

Random numbers are uniform doubles, turned into draws by inversion. The data therefore does not depend on how
numpy draws from other distributions.
"""

from dataclasses import dataclass

import numpy as np

from lrbench.arrays import Floats, Int64s

__all__ = ["Behaviour", "generate", "invert", "predictive"]


def invert(weights: Floats, uniforms: Floats) -> Int64s:
    """Draw one value from each row's distribution.

    Args:
        weights: (draws, values), or (1, values) for one distribution; they need not sum to 1.
        uniforms: (draws,) in [0, 1).

    Returns:
        (draws,) value numbers.
    """
    cumulative = np.cumsum(weights, axis=1)
    drawn: Int64s = (cumulative <= uniforms[:, None] * cumulative[:, -1:]).sum(axis=1)
    return drawn


def generate(behaviour: "Behaviour", lengths: Int64s, random: np.random.Generator) -> Int64s:
    """Draw one sequence for each user: (users, longest) items, −1 after a user's last."""
    items = np.full((len(lengths), int(lengths.max())), -1)
    owned = np.zeros((len(lengths), behaviour.n_items), dtype=bool)
    interests = invert(behaviour.start[None], random.random(len(lengths)))
    for step in range(items.shape[1]):
        active = np.flatnonzero(lengths > step)
        if step:
            interests[active] = invert(behaviour.drift[interests[active]], random.random(len(active)))
        habit, rest = behaviour.habits(items[active, :step])
        weights = habit + rest * behaviour.interest_items[interests[active]]
        chosen = invert(np.where(owned[active], 0.0, weights), random.random(len(active)))
        items[active, step] = chosen
        owned[active, chosen] = True
    return items


def predictive(behaviour: "Behaviour", items: Int64s, lengths: Int64s) -> Floats:
    """Return the exact distribution of each user's next item given the whole history.

    Args:
        behaviour: what generated the histories.
        items: (users, longest) as ``generate`` gives them.
        lengths: (users,) how many items of each row are history.

    Returns:
        (users, items) probabilities; 0 for the items of the history.
    """
    result = np.empty((len(lengths), behaviour.n_items))
    owned = np.zeros(result.shape, dtype=bool)
    belief = np.tile(behaviour.start, (len(lengths), 1))  # (users, interests) of the interest of this step
    free = np.ones(belief.shape)  # (users, interests) share of the interest's items not owned
    for step in range(int(lengths.max()) + 1):
        users = np.flatnonzero(lengths >= step)
        habit, rest = behaviour.habits(items[users, :step])
        habit[owned[users]] = 0.0
        believed = belief[users] / (habit.sum(axis=1, keepdims=True) + rest * free[users])

        ending = lengths[users] == step
        last = users[ending]
        drifted = rest * (believed[ending] @ behaviour.interest_items) * ~owned[last]
        result[last] = believed[ending].sum(axis=1, keepdims=True) * habit[ending] + drifted
        if ending.all():
            break

        going, seen = users[~ending], items[users[~ending], step]
        of_interests = behaviour.interest_items[:, seen].T  # (users, interests)
        posterior = believed[~ending] * (habit[~ending, seen][:, None] + rest * of_interests)
        belief[going] = posterior / posterior.sum(axis=1, keepdims=True) @ behaviour.drift
        free[going] -= of_interests
        owned[going, seen] = True
    return result


@dataclass(frozen=True)
class Behaviour:
    """The probabilities of the model; every row sums to 1."""

    start: Floats  # (interests,)
    drift: Floats  # (interests, interests) from row to column
    interest_items: Floats  # (interests, items)
    successors: Floats  # (items, items) from row to column
    follow: float
    echo: float

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return len(self.successors)

    def habits(self, history: Int64s) -> tuple[Floats, float]:
        """Return the part of the next item's probability that the last two items determine.

        Args:
            history: (users, steps); every user has that many items.

        Returns:
            That part, (users, items), before owned items are left out; and the probability that is left for
            the interest.
        """
        steps = history.shape[1]
        part, rest = np.zeros((len(history), self.n_items)), 1.0
        for steps_back, share in ((1, self.follow), (2, self.echo)):
            if steps >= steps_back:
                part += share * self.successors[history[:, -steps_back]]
                rest -= share
        return part, rest
