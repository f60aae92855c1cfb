"""Checkpoints, and the start that they come from -> another checkpoint, between them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babelrank.errors import TrainingError
from babelrank.files import atomic_folder
from babelrank.training.checkpoint import CENTERED, averaged_with, read_account, write_account
from babelrank.training.config import ModelConfig


def average_checkpoints(checkpoints: Sequence[Path], output: Path, *, start_share: float = 0.0) -> Path:
    """Average the weights of checkpoints, and of the start that they were trained from.

    Several checkpoints weigh the same (model soups, arXiv 2203.05482); the start keeps more of its abilities than it
    costs (arXiv 2109.01903). Of a single checkpoint comes what training with ``model.average_with_start`` would have
    left, without training again.

    Parameters
    ----------
    checkpoints
        Folders that `run.train` wrote, all from one start, none of them averaged with it or centred.
    output
        Folder to make; whole, or not at all.
    start_share
        Weight of the start, from 0 to below 1; above 0 for a single checkpoint.

    Raises
    ------
    TrainingError
        A folder is no such checkpoint, they come from different starts, the start cannot be loaded, or there is
        something at `output`.
    """
    import transformers
    from sentence_transformers import SentenceTransformer

    from babelrank.training.model import average, copy_weights, load_start

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if not 0 <= start_share < 1 or (len(checkpoints) == 1 and not start_share):
        raise TrainingError(
            f"share of the start: {start_share}: should be at least 0 and below 1, and above 0 for a single checkpoint."
        )
    accounts = {checkpoint: read_account(checkpoint)[0] for checkpoint in checkpoints}
    settings = _check_origins(accounts)
    if output.exists():
        raise TrainingError(f"{output}: exists; choose another output.")
    model = SentenceTransformer(str(checkpoints[0]), device="cpu")
    for number, checkpoint in enumerate(checkpoints[1:], start=2):
        other = SentenceTransformer(str(checkpoint), device="cpu")
        average(model, copy_weights(other), 1 / number)
    if start_share:
        start = load_start(ModelConfig.model_validate(settings, strict=False), "cpu")
        average(model, copy_weights(start), start_share)
    account, history = read_account(checkpoints[0])
    account["config"]["model"] = settings | {"average_with_start": start_share}
    account["validation_loss"] = None  # measured of none of the averaged weights
    others = [part for checkpoint in checkpoints[1:] for part in _members(accounts[checkpoint])]
    others = [*averaged_with(account), *others]
    account |= {"averaged_with": others} if others else {}
    try:
        with atomic_folder(output) as fresh:
            model.save_pretrained(str(fresh), create_model_card=False)
            write_account(fresh, output.name, account, history)
    except OSError as error:
        raise TrainingError(f"{output}: cannot be written ({error.strerror}).") from error
    return output


def _members(account: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the accounts of what a checkpoint is the average of: of itself, if it is none."""
    return [{key: value for key, value in account.items() if key != "averaged_with"}, *averaged_with(account)]


def _check_origins(accounts: dict[Path, dict[str, Any]]) -> dict[str, Any]:
    """Return the model settings of the first checkpoint, if the others come from the same start."""
    first, settings = next((path, account["config"]["model"]) for path, account in accounts.items())
    for checkpoint, account in accounts.items():
        own = account["config"]["model"]
        if own["average_with_start"]:
            raise TrainingError(f"{checkpoint}: is averaged with its start already.")
        if CENTERED in account:
            raise TrainingError(f"{checkpoint}: is centred; only what it was centred from can be averaged.")
        differing = [key for key in ("start", "revision", "pooling") if own[key] != settings[key]]
        if differing:
            key = differing[0]
            raise TrainingError(
                f"{checkpoint}: model.{key} is {own[key]!r}, of {first} {settings[key]!r}; only checkpoints of one "
                "start can be averaged."
            )
    return dict(settings)
