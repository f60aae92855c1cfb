"""A finished checkpoint -> a repository of the Hub."""

from pathlib import Path

import httpx
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

from babelrank.errors import TrainingError
from babelrank.training.config import HubConfig

_ERRORS = (HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled, httpx.HTTPError, OSError)


def require_login(repository: str) -> None:
    """Make sure that somebody is logged in, before anything is trained.

    Raises
    ------
    TrainingError
        Nobody is, or the Hub cannot be reached.
    """
    try:
        HfApi().whoami()
    except _ERRORS as error:
        raise TrainingError(f"hub.push: {repository}: {_in_one_line(error)}; log in with `hf auth login`.") from error


def push(config: HubConfig, checkpoint: Path) -> str:
    """Upload a checkpoint with its card; return its address. Files that are there already are not sent again.

    Raises
    ------
    TrainingError
        The Hub refuses it, or cannot be reached.
    """
    api = HfApi()
    try:
        address = api.create_repo(config.push, private=config.private, exist_ok=True)
        api.upload_folder(repo_id=config.push, folder_path=checkpoint, commit_message="Upload a babelrank checkpoint")
    except _ERRORS as error:
        raise TrainingError(
            f"hub.push: {config.push}: {_in_one_line(error)}; {checkpoint} is complete, and the same command uploads "
            "it."
        ) from error
    return str(address)


def _in_one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__).rstrip(".:")
