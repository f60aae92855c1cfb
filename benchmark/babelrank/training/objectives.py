"""The training objectives as functions of vectors, with their formulas and sources.

Each row is the vector of a text. Similarities are cosines, so vectors need not have unit length. q are queries and p
their passages, row by row. `known` marks pairs (query i, passage j) that are not negatives although i ≠ j, because
their queries or their passages are the same in some language.
"""

import torch
from torch import Tensor
from torch.nn import functional


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosine of every row of `a` with every row of `b`, in float32: shape (len(a), len(b))."""
    return functional.normalize(a.float(), dim=1) @ functional.normalize(b.float(), dim=1).T


def info_nce(
    queries: Tensor,
    passages: Tensor,
    known: Tensor,
    *,
    temperature: float,
    negatives: Tensor | None = None,
    symmetric: bool = False,
) -> Tensor:
    """Return the mean over i of −log( exp(s(q_i, p_i)/τ) / Σ_j exp(s(q_i, d_j)/τ) ), d over passages and negatives.

    van den Oord et al. 2018 (arXiv 1807.03748), with in-batch negatives as Karpukhin et al. 2020 (arXiv 2004.04906).

    Parameters
    ----------
    queries, passages
        Shape (n, dimension).
    known
        Bool, shape (n, n); true pairs are left out of the sum.
    negatives
        More passages that answer none of the queries, shape (m, dimension).
    symmetric
        Average with the same loss for passages among queries.
    """
    scores = _mask(cosines(queries, passages) / temperature, known)
    targets = torch.arange(len(queries), device=scores.device)
    if symmetric:
        backward = functional.cross_entropy(scores.T, targets)
    if negatives is not None:
        scores = torch.cat([scores, cosines(queries, negatives) / temperature], dim=1)
    forward = functional.cross_entropy(scores, targets)
    return (forward + backward) / 2 if symmetric else forward


def embedding_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean over rows of ‖s/‖s‖ − t/‖t‖‖², the squared error of multilingual distillation.

    Reimers & Gurevych 2020 (arXiv 2004.09813): the student's vector of a text in any language moves towards the
    teacher's vector of its English version. They average over dimensions and do not scale vectors. Here vectors have
    unit length, to match cosine similarity, and the error is summed, so that its range [0, 4] does not depend on the
    dimension.

    Parameters
    ----------
    student, teacher
        Shape (n, dimension).
    """
    difference = functional.normalize(student.float(), dim=1) - functional.normalize(teacher.float(), dim=1)
    return difference.square().sum(dim=1).mean()


def score_divergence(student: Tensor, teacher: Tensor, known: Tensor, *, temperature: float) -> Tensor:
    """Return the mean over queries of KL(T_i ‖ S_i), T_i and S_i the softmax over passages of scores / τ.

    Distillation of a score distribution (Hinton et al. 2015, arXiv 1503.02531) over the batch's passages.

    Parameters
    ----------
    student, teacher
        Scores of every query and passage, shape (n, n).
    known
        Bool, shape (n, n); true pairs are left out of both distributions.
    """
    target = functional.softmax(_mask(teacher.float() / temperature, known), dim=1)
    predicted = functional.log_softmax(_mask(student / temperature, known), dim=1)
    # Left out explicitly: 0 · −∞ has no gradient.
    return (
        torch.where(known, 0.0, torch.xlogy(target, target) - target * predicted.masked_fill(known, 0.0)).sum(1).mean()
    )


def semantic_contrast(passages: Tensor, translations: Tensor, known: Tensor, *, temperature: float) -> Tensor:
    """Return the InfoNCE loss, in both directions, between passages and their translations.

    The semantic contrastive loss of Hu et al. 2023 (arXiv 2210.06633): translations of one another are near, those of
    different passages are not.

    Parameters
    ----------
    passages, translations
        Shape (n, dimension).
    known
        Bool, shape (n, n): pairs of equal passages.
    """
    return info_nce(passages, translations, known, temperature=temperature, symmetric=True)


def language_contrast(
    anchors: Tensor, passages: Tensor, translations: Tensor, own: Tensor, *, temperature: float
) -> Tensor:
    """Return the mean over anchors a and pairs (p, t) of −½ log σ((s(a,p) − s(a,t))/τ) − ½ log σ((s(a,t) − s(a,p))/τ).

    The language contrastive loss of Hu et al. 2023 (arXiv 2210.06633): a text that is parallel to neither should be as
    near to a passage as to its translation, in all languages. The minimum is log 2, reached if all texts are.

    Parameters
    ----------
    anchors
        Shape (m, dimension).
    passages, translations
        Shape (n, dimension).
    own
        Bool, shape (m, n): pairs that are left out because the anchor belongs to the same example.
    """
    gap = (cosines(anchors, passages) - cosines(anchors, translations)) / temperature
    loss = -(functional.logsigmoid(gap) + functional.logsigmoid(-gap)) / 2
    return loss[~own].mean() if not own.all() else loss.sum() * 0.0


def known_positives(queries: Tensor, passages: Tensor) -> Tensor:
    """Return which pairs (i, j), i ≠ j, share a query or a passage; bool, shape (n, n).

    Parameters
    ----------
    queries, passages
        See `are_same`.
    """
    same = are_same(passages, passages) | are_same(queries, queries)
    return same & ~torch.eye(len(queries), dtype=torch.bool, device=queries.device)


def are_same(texts: Tensor, others: Tensor) -> Tensor:
    """Return which texts are the same as which others; bool, shape (n, m).

    Parameters
    ----------
    texts, others
        Hashes of each text in its languages. Texts that are the same share a hash; 0 means no text. int64, shapes
        (n, k) and (m, l).
    """
    values, places = torch.unique(torch.cat([texts.flatten(), others.flatten()]), return_inverse=True)
    ours, theirs = places[: texts.numel()].view(texts.shape), places[texts.numel() :].view(others.shape)
    counts = torch.zeros(len(texts) + len(others), len(values), device=texts.device)
    counts[: len(texts)].scatter_(1, ours, 1.0)
    counts[len(texts) :].scatter_(1, theirs, 1.0)
    counts[:, values == 0] = 0.0
    return (counts[: len(texts)] @ counts[len(texts) :].T) > 0


def _mask(scores: Tensor, known: Tensor) -> Tensor:
    return scores.masked_fill(known, float("-inf"))
