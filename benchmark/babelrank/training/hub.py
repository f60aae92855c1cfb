"""Upload a finished checkpoint to the Hub."""

from pathlib import Path

import httpx
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

from babelrank.errors import TrainingError
from babelrank.training.config import HubConfig

_ERRORS = (HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled, httpx.HTTPError, OSError)


def require_login(repository: str) -> None:
    """Check that the user is logged in, before training starts.

    Raises
    ------
    TrainingError
        The user is not logged in, or the Hub cannot be reached.
    """
    try:
        HfApi().whoami()
    except _ERRORS as error:
        raise TrainingError(f"hub.push: {repository}: {_in_one_line(error)}; log in with `hf auth login`.") from error


def push(config: HubConfig, checkpoint: Path) -> str:
    """Upload a checkpoint with its card; return its address. Existing files are not sent again.

    Raises
    ------
    TrainingError
        The Hub refuses the upload or cannot be reached.
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
