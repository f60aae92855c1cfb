"""A model, and texts in several languages -> the same model with its vectors centred.

What all vectors share tells no passage from another, yet fills most of a cosine: taking their mean off (Mu & Viswanath
2018, arXiv 1702.01417) leaves more room to what texts say. Here that is a linear module of the checkpoint itself, so
that it works wherever the model does, in training, too.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense
from sentence_transformers.sentence_transformer.modules import Normalize
from torch import nn

from babelrank.errors import TrainingError
from babelrank.files import atomic_folder
from babelrank.training.batches import PASSAGE, QUERY
from babelrank.training.checkpoint import ACCOUNT, CENTERED, read_account, write_account
from babelrank.training.config import ModelConfig
from babelrank.training.membership import RowSet
from babelrank.training.model import encode_role, load_start, prompts_of
from babelrank.training.units import Units

_SAMPLE = 256  # texts by data set, language and role from which a mean is estimated
_LEAST_GAP = 1e-6  # between the means of queries and passages, below which they are one


def mean_vectors(
    encode: Callable[[Sequence[str], str], np.ndarray],
    units: Sequence[Units],
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, dict[str, np.ndarray]]:
    """Return the mean vector of some of the units' texts: role -> language -> shape (dimension,).

    Parameters
    ----------
    encode
        Vectors, shape (texts, dimension), of texts in a role.
    on_progress
        Called with the texts read and all there are to read, after each language.
    """
    samples: dict[tuple[str, str], list[str]] = defaultdict(list)
    for source in units:
        places = defaultdict(list)
        for role, sides in ((QUERY, source.queries), (PASSAGE, source.passages)):
            for lang, members in sides.items():
                for row in _spread(members):
                    places[int(row)].append((role, lang))
        for row in sorted(places):
            unit = source[row]
            texts = {QUERY: unit.query, PASSAGE: unit.passage}
            for role, lang in places[row]:
                samples[role, lang].append(texts[role][lang])
    means: dict[str, dict[str, np.ndarray]] = {QUERY: {}, PASSAGE: {}}
    done, total = 0, sum(map(len, samples.values()))
    for (role, lang), sample in samples.items():
        means[role][lang] = encode(sample, role).mean(axis=0)
        done += len(sample)
        on_progress(done, total)
    return means


def _spread(members: RowSet) -> np.ndarray:
    """Return up to `_SAMPLE` rows from all over a set, whose beginning may be all of one kind; int64."""
    count = min(_SAMPLE, len(members))
    return members.select(np.arange(count) * len(members) // max(count, 1))


def centering(query_mean: np.ndarray, passage_mean: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the map that takes off what all vectors share, and what sets queries as such apart from passages.

    x ↦ x − share · m − ((x − m) · u) u, where m lies half-way between the two means and u is the direction from one
    to the other. Both means become (1 − share) · m.

    Parameters
    ----------
    query_mean, passage_mean
        Of vectors of unit length; shape (dimension,).
    share
        Of the mean that is taken off: from 0 to 1.

    Returns
    -------
    tuple
        Matrix and offset: x ↦ matrix @ x + offset; shapes (dimension, dimension) and (dimension,).
    """
    middle, gap = (query_mean + passage_mean) / 2, query_mean - passage_mean
    length = np.linalg.norm(gap)
    direction = gap / length if length > _LEAST_GAP else np.zeros_like(gap)
    return np.eye(len(gap)) - np.outer(direction, direction), (middle @ direction) * direction - share * middle


def center_model(
    config: ModelConfig,
    units: Sequence[Units],
    output: Path,
    *,
    share: float,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Path:
    """Write a checkpoint: a model with a module behind its last that centres its vectors.

    Of a model that `run.train` wrote, its account and log are kept.

    Parameters
    ----------
    config
        The model, and its prompts, which the checkpoint keeps.
    units
        Whose texts the means are estimated from; every language counts the same.
    output
        Folder to make; whole, or not at all.
    share
        See `centering`.
    on_progress
        See `mean_vectors`.

    Raises
    ------
    TrainingError
        The share is not between 0 and 1, the model cannot be loaded or does not scale its vectors to unit length, or
        there is something at `output`, or it cannot be written.
    """
    if not 0 < share <= 1:
        raise TrainingError(f"share of the mean: {share}: should be above 0 and at most 1.")
    if output.exists():
        raise TrainingError(f"{output}: exists; choose another output.")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model = load_start(config, None)
    if not isinstance(model[-1], Normalize):
        kind = type(model[-1]).__name__
        raise TrainingError(
            f"{config.start}: its last module is {kind}; only a model that ends with Normalize can be centred."
        )
    prompts = prompts_of(model)
    means = mean_vectors(lambda texts, role: encode_role(model, prompts, texts, role), units, on_progress)
    query_mean, passage_mean = (np.mean(list(means[role].values()), axis=0) for role in (QUERY, PASSAGE))
    _append(model, *centering(query_mean, passage_mean, share))
    try:
        with atomic_folder(output) as fresh:
            model.save_pretrained(str(fresh), create_model_card=False)
            if (Path(config.start) / ACCOUNT).is_file():
                account, history = read_account(Path(config.start))
                write_account(fresh, output.name, account | {CENTERED: share, "validation_loss": None}, history)
    except OSError as error:
        raise TrainingError(f"{output}: cannot be written ({error.strerror}).") from error
    return output


def _append(model: SentenceTransformer, matrix: np.ndarray, offset: np.ndarray) -> None:
    module = Dense(*matrix.shape, bias=True, activation_function=nn.Identity())
    with torch.no_grad():
        module.linear.weight.copy_(torch.from_numpy(matrix))
        module.linear.bias.copy_(torch.from_numpy(offset))
    model.append(module.to(model.device))
    model.append(Normalize())
