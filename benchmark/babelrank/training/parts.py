"""Token ids of a batch -> vectors, read in parts of texts about as long, where padding costs what text does.

On a CPU a padded token takes as long as any other, and in batches of 32 drawn at random 40 to 60 % of them are padding
(passages and queries of the experiments' units). On other devices, where that is not measured, a batch is read at once.
Texts have the same vectors in any part, but for rounding and dropout.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from sentence_transformers.util.distributed import is_dist_initialized
from torch import Tensor, nn

# Tokens that could be read in the time that another part takes by itself. Of 1, 2, 4 and 8 parts of 32 passages with 8
# to 96 tokens, 2 and 4 took least; with this figure such a batch is cut into 2 or 3.
_SEAM = 256


def read_in_parts(model: nn.Module, features: Mapping[str, Any]) -> Tensor:
    """Return the model's vectors of a batch of texts, row by row: shape (texts, dimension).

    Parameters
    ----------
    features
        As `SentenceTransformer.preprocess` returns them. Of another shape than texts × tokens, padded at the end, or on
        another device than the CPU, they are read at once; and by processes that share a batch, which wait for one
        another at each call of the model, and would have other numbers of parts.
    """
    if is_dist_initialized() or not _is_padded_text(features):
        vectors: Tensor = model(dict(features))["sentence_embedding"]
        return vectors
    lengths = features["attention_mask"].sum(dim=1)
    order = torch.argsort(lengths, stable=True)
    parts = [order[begin:end] for begin, end in _cut(lengths[order].numpy())]
    read = [model(_select(features, rows, int(lengths[rows[-1]])))["sentence_embedding"] for rows in parts]
    return torch.cat(read)[torch.argsort(order)]


def _is_padded_text(features: Mapping[str, Any]) -> bool:
    mask = features.get("attention_mask")
    if not isinstance(mask, Tensor) or mask.ndim != 2 or mask.device.type != "cpu" or not mask.any(dim=1).all():
        return False
    shapes = {value.shape for value in features.values() if isinstance(value, Tensor)}
    return shapes == {mask.shape} and bool((mask[:, 1:] <= mask[:, :-1]).all())


def _select(features: Mapping[str, Any], rows: Tensor, width: int) -> dict[str, Any]:
    return {name: value[rows, :width] if isinstance(value, Tensor) else value for name, value in features.items()}


def _cut(lengths: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield where parts of texts begin and end that are read soonest: the fewest tokens, padding and seams included.

    Parameters
    ----------
    lengths
        Tokens of each text, ascending.
    """
    count = len(lengths)
    cost, begins = np.zeros(count + 1), np.zeros(count + 1, dtype=np.int64)
    for end in range(1, count + 1):
        starts = np.arange(end)
        costs = cost[:end] + (end - starts) * lengths[end - 1] + _SEAM
        begins[end] = costs.argmin()
        cost[end] = costs.min()
    bounds = [count]
    while bounds[-1]:
        bounds.append(int(begins[bounds[-1]]))
    yield from pairwise(reversed(bounds))
