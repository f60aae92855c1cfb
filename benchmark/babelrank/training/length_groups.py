"""Encode a batch in groups of texts of similar length, which saves padding on a CPU.

On a CPU a padding token takes as long as any other, and in random batches of 32 passages or queries of the experiments
40 to 60 % of the tokens are padding. On other devices, where this is not measured, a batch is encoded at once. The
groups do not change the vectors, except for rounding and dropout.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from sentence_transformers.util.distributed import is_dist_initialized
from torch import Tensor, nn

# Cost of one more group, in tokens. Of 1, 2, 4 and 8 groups of 32 passages with 8 to 96 tokens, 2 and 4 were fastest;
# with this value such a batch is cut into 2 or 3.
_COST_OF_GROUP = 256


def encode_by_length(model: nn.Module, features: Mapping[str, Any]) -> Tensor:
    """Return the model's vectors of a batch of texts, row by row: shape (texts, dimension).

    Parameters
    ----------
    features
        Output of `SentenceTransformer.preprocess`. All texts are encoded at once if the shape is not texts × tokens
        with padding at the end, if the device is not the CPU, or if several processes share a batch: these wait for
        one another at each call of the model, but would have different numbers of groups.
    """
    if is_dist_initialized() or not _is_padded_text(features):
        vectors: Tensor = model(dict(features))["sentence_embedding"]
        return vectors
    lengths = features["attention_mask"].sum(dim=1)
    order = torch.argsort(lengths, stable=True)
    groups = [order[begin:end] for begin, end in _cut(lengths[order].numpy())]
    vectors_by_group = [model(_select(features, rows, int(lengths[rows[-1]])))["sentence_embedding"] for rows in groups]
    return torch.cat(vectors_by_group)[torch.argsort(order)]


def _is_padded_text(features: Mapping[str, Any]) -> bool:
    mask = features.get("attention_mask")
    if not isinstance(mask, Tensor) or mask.ndim != 2 or mask.device.type != "cpu" or not mask.any(dim=1).all():
        return False
    shapes = {value.shape for value in features.values() if isinstance(value, Tensor)}
    return shapes == {mask.shape} and bool((mask[:, 1:] <= mask[:, :-1]).all())


def _select(features: Mapping[str, Any], rows: Tensor, width: int) -> dict[str, Any]:
    return {name: value[rows, :width] if isinstance(value, Tensor) else value for name, value in features.items()}


def _cut(lengths: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the fastest groups: those with the fewest tokens, including padding and cost of groups.

    Parameters
    ----------
    lengths
        Tokens of each text, ascending.
    """
    count = len(lengths)
    cost, begins = np.zeros(count + 1), np.zeros(count + 1, dtype=np.int64)
    for end in range(1, count + 1):
        starts = np.arange(end)
        costs = cost[:end] + (end - starts) * lengths[end - 1] + _COST_OF_GROUP
        begins[end] = costs.argmin()
        cost[end] = costs.min()
    bounds = [count]
    while bounds[-1]:
        bounds.append(int(begins[bounds[-1]]))
    yield from pairwise(reversed(bounds))
