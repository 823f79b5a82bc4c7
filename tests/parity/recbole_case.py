"""What is compared of every model that RecBole's numbers cover with both of its losses."""

from parity.published import Published, last_target_batch, training_data

from lrbench.models.next_item import NextItemModel
from lrbench.models.supervised import Supervised
from lrbench.objectives.sampled import sampled_loss
from lrbench.objectives.sparse_scores import chosen_scores


def check_scores(published: Published, model: NextItemModel) -> None:
    (users,) = model.encode(published.sequences(), (0,), None)
    published.close(users, "out.eval.user_vector")
    published.close(model.score(users), "out.eval.logits")
    published.close(model.score(users), "out.ce.train_logits")


def check_cross_entropy(published: Published, model: NextItemModel, names: dict[str, str]) -> None:
    data = training_data(published, ("in.item_seq", "in.item_len"))
    loss = Supervised(model).losses(last_target_batch(data, 6))["loss"]
    published.close(loss, "out.ce.loss_total")
    loss.backward()
    published.close_gradients(model, "out.ce", names)


def check_pairwise_ranking(
    published: Published, model: NextItemModel, names: dict[str, str], scale: float = 1
) -> None:
    """Compare scores, loss and gradients. RecBole adds 1e-10 to the probability; lrbench does not."""
    cases, (users,) = published.cases, model.encode(published.sequences(), (0,), None)
    items, target, negative = model.item_vectors(), cases["in.target"], cases["in.negative"]
    for key, chosen in ("pos_score", target), ("neg_score", negative):
        published.close(chosen_scores(users, items, chosen[:, None]).squeeze(1), f"out.bpr.{key}")
    loss = sampled_loss("bpr", users, items, target, negative[:, None])
    published.close(loss, "out.bpr.loss_total")
    loss.backward()
    published.close_gradients(model, "out.bpr", names, scale)
