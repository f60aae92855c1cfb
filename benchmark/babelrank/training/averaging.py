"""Average the weights of checkpoints, or of checkpoints and their base model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import transformers

from babelrank.checkpoints import AVERAGED_WITH, CENTERED
from babelrank.errors import TrainingError
from babelrank.files import atomic_folder
from babelrank.training.card import read_card
from babelrank.training.config import ModelConfig
from babelrank.training.disk_errors import explain_disk_errors
from babelrank.training.metadata import read_checkpoint, write_training_metadata
from babelrank.training.model import average, copy_weights, load_base_model, load_checkpoint

_ORIGIN = ("base_model", "revision", "pooling", "layers")  # keys that checkpoints of one base model share


def average_checkpoints(
    checkpoints: Sequence[Path], output: Path, *, base_share: float = 0.0, trust_remote_code: bool = False
) -> Path:
    """Average the weights of checkpoints, and of the base model that they were trained from.

    All checkpoints have the same weight (model soups, arXiv 2203.05482). Adding the base model keeps more of its
    abilities than it costs (arXiv 2109.01903). For a single checkpoint, the result is that of training with
    ``model.average_with_base_model``, without training again.

    Parameters
    ----------
    checkpoints
        Checkpoints of `run.train` with the same base model, not averaged with it or centred.
    output
        Folder for the new checkpoint; written atomically.
    base_share
        Weight of the base model, from 0 to below 1; above 0 for a single checkpoint.
    trust_remote_code
        Whether the user has said on the command line that the models' own code may run; the setting in the checkpoints'
        metadata is ignored.

    Raises
    ------
    TrainingError
        A folder is not such a checkpoint, the checkpoints have different base models, a model cannot be loaded, or
        `output` exists or cannot be written.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if not 0 <= base_share < 1 or (len(checkpoints) == 1 and not base_share):
        raise TrainingError(
            f"share of the base model: {base_share}: should be at least 0 and below 1, and above 0 for a single "
            "checkpoint."
        )
    read = {checkpoint: read_checkpoint(checkpoint) for checkpoint in checkpoints}
    all_metadata = {checkpoint: metadata for checkpoint, (metadata, _) in read.items()}
    settings = _check_origins(all_metadata)
    if output.exists():
        raise TrainingError(f"{output}: exists; choose another output.")
    model = load_checkpoint(checkpoints[0], trust_remote_code=trust_remote_code)
    for number, checkpoint in enumerate(checkpoints[1:], start=2):
        other = load_checkpoint(checkpoint, trust_remote_code=trust_remote_code)
        average(model, copy_weights(other), 1 / number)
    if base_share:
        origin = ModelConfig.model_validate({key: settings.get(key) for key in _ORIGIN})
        base_model = load_base_model(origin, "cpu", place="base model", trust_remote_code=trust_remote_code)
        average(model, copy_weights(base_model), base_share)
    metadata, history = read[checkpoints[0]]
    others = [part for checkpoint in checkpoints[1:] for part in _members(all_metadata[checkpoint])]
    others = [*metadata.get(AVERAGED_WITH, ()), *others]
    metadata = {
        **metadata,
        "config": metadata["config"] | {"model": settings | {"average_with_base_model": base_share}},
        "validation_loss": None,  # not measured for the averaged weights
    }
    metadata |= {AVERAGED_WITH: others} if others else {}
    with explain_disk_errors(output), atomic_folder(output) as fresh:
        model.save_pretrained(str(fresh), create_model_card=False)
        write_training_metadata(fresh, output.name, metadata, history, read_card(checkpoints[0]))
    return output


def _members(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metadata of the averaged checkpoints; the checkpoint's metadata if it is not an average."""
    own = {key: value for key, value in metadata.items() if key != AVERAGED_WITH}
    return [own, *metadata.get(AVERAGED_WITH, ())]


def _check_origins(all_metadata: dict[Path, dict[str, Any]]) -> dict[str, Any]:
    """Return the model settings of the first checkpoint, if the others come from the same base model."""
    first, settings = next((path, metadata["config"]["model"]) for path, metadata in all_metadata.items())
    for checkpoint, metadata in all_metadata.items():
        own = metadata["config"]["model"]
        if own.get("average_with_base_model"):
            raise TrainingError(f"{checkpoint}: already averaged with its base model.")
        if CENTERED in metadata:
            raise TrainingError(f"{checkpoint}: centred; average the checkpoint that it was made from instead.")
        differing = [key for key in _ORIGIN if own.get(key) != settings.get(key)]
        if differing:
            key = differing[0]
            raise TrainingError(
                f"{checkpoint}: model.{key} is {own.get(key)!r}, but {settings.get(key)!r} in {first}. Checkpoints "
                "need the same base model."
            )
    return dict(settings)
