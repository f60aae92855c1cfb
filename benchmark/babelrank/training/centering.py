"""Make a checkpoint that subtracts a model's mean embedding.

The mean of all vectors does not distinguish passages, but dominates the cosine. Subtracting it (Mu & Viswanath 2018,
arXiv 1702.01417) gives the differences between texts more weight. The subtraction is a linear module of the checkpoint,
so it works wherever the model works, including training.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense
from sentence_transformers.sentence_transformer.modules import Normalize
from torch import nn

from babelrank.checkpoints import CENTERED, METADATA_FILE
from babelrank.errors import TrainingError
from babelrank.files import atomic_folder, atomic_write
from babelrank.training.card import CARD_FILE, read_card, render_centered_card
from babelrank.training.config import ModelConfig
from babelrank.training.disk_errors import explain_disk_errors
from babelrank.training.examples import PASSAGE, QUERY, ExampleSet
from babelrank.training.mean_vectors import mean_vectors
from babelrank.training.metadata import read_checkpoint, write_training_metadata
from babelrank.training.model import encode_role, load_base_model, prompts_of

_LEAST_GAP = 1e-6  # distance between the means of queries and passages; below it they count as equal


def centering(query_mean: np.ndarray, passage_mean: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the map that subtracts the mean vector, and the difference between queries and passages.

    x ↦ x − share · m − ((x − m) · u) u, where m lies half-way between the two means and u is the direction from one
    to the other. Both means become (1 − share) · m.

    Parameters
    ----------
    query_mean, passage_mean
        Mean of vectors of unit length; shape (dimension,).
    share
        Share of the mean that is subtracted, from 0 to 1.

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
    examples: Sequence[ExampleSet],
    output: Path,
    *,
    share: float,
    trust_remote_code: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Path:
    """Write a checkpoint: a model with an additional last module that centres its vectors.

    The model's card and licence are kept. If `run.train` wrote the model, its training metadata and log are kept, too.

    Parameters
    ----------
    config
        The model and its prompts. The checkpoint keeps the prompts.
    examples
        Examples from which the means are estimated; all languages have the same weight.
    output
        Folder for the new checkpoint; written atomically.
    share
        See `centering`.
    trust_remote_code
        Whether the user has said on the command line that the model's own code may run.
    on_progress
        See `mean_vectors`.

    Raises
    ------
    TrainingError
        The share is not between 0 and 1, the model cannot be loaded or does not scale its vectors to unit length, or
        `output` exists or cannot be written.
    """
    if not 0 < share <= 1:
        raise TrainingError(f"share of the mean: {share}: should be above 0 and at most 1.")
    if output.exists():
        raise TrainingError(f"{output}: exists; choose another output.")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model = load_base_model(config, None, place="model", trust_remote_code=trust_remote_code)
    if not isinstance(model[-1], Normalize):
        kind = type(model[-1]).__name__
        raise TrainingError(
            f"{config.base_model}: the last module is {kind}; only models that end with Normalize can be centred."
        )
    prompts = prompts_of(model)
    means = mean_vectors(lambda texts, role: encode_role(model, prompts, texts, role), examples, on_progress)
    query_mean, passage_mean = (np.mean(list(means[role].values()), axis=0) for role in (QUERY, PASSAGE))
    _append(model, *centering(query_mean, passage_mean, share))
    with explain_disk_errors(output), atomic_folder(output) as fresh:
        model.save_pretrained(str(fresh), create_model_card=False)
        parent, source = read_card(config.base_model, config.revision), Path(config.base_model)
        if (source / METADATA_FILE).is_file():
            metadata, history = read_checkpoint(source)
            metadata |= {CENTERED: share, "validation_loss": None}
            write_training_metadata(fresh, output.name, metadata, history, parent)
        else:
            atomic_write(fresh / CARD_FILE, render_centered_card(output.name, config.base_model, share, parent))
    return output


def _append(model: SentenceTransformer, matrix: np.ndarray, offset: np.ndarray) -> None:
    module = Dense(*matrix.shape, bias=True, activation_function=nn.Identity())
    with torch.no_grad():
        module.linear.weight.copy_(torch.from_numpy(matrix))
        module.linear.bias.copy_(torch.from_numpy(offset))
    model.append(module.to(model.device))
    model.append(Normalize())
