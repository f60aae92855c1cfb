"""Turn errors of libraries that cannot write a file into one sentence."""

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from babelrank.errors import BabelrankError, TrainingError

_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
# PyTorch and safetensors raise their own errors if a file cannot be written.
_DISK_MESSAGE = re.compile(
    r"No space left|File too large|Disk quota|os error (28|27|122)|inline_container|PytorchStream"
)


@contextmanager
def explain_disk_errors(place: Path, clean_up: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Turn any error that a library raises if it cannot write a file in `place` into one sentence.

    Parameters
    ----------
    clean_up
        Called after such an error; returns advice for the end of the sentence.

    Raises
    ------
    TrainingError
        A file cannot be written.
    """
    try:
        yield
    except BabelrankError:
        raise
    except Exception as error:
        reason = _find_reason(error, place)
        if reason is None:
            raise
        raise TrainingError(f"{place}: cannot be written ({reason}){clean_up()}.") from error


def _find_reason(error: BaseException | None, place: Path) -> str | None:
    """Return why a file could not be written, from an error or its causes; None if they have another reason."""
    while error is not None:
        if isinstance(error, OSError):
            ours = str(error.filename or "").startswith((str(place), str(place.parent / f".{place.name}.")))
            if error.errno in _DISK_ERRORS or ours:
                return error.strerror
        if _DISK_MESSAGE.search(str(error)):
            return os.strerror(errno.EFBIG if "too large" in str(error) else errno.ENOSPC)
        error = error.__cause__ or error.__context__
    return None
