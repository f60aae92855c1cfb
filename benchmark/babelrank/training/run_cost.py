"""The processor time of a training run, also if it was interrupted: noted next to its checkpoints."""

import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from babelrank.environment import cpu_seconds
from babelrank.files import atomic_write


class RunCost(TrainerCallback):
    """Notes the processor time of this process with every checkpoint, and adds it to that of earlier parts of the run.

    Parameters
    ----------
    file
        Where the time is noted.
    began
        `environment.cpu_seconds` when this part of the run began.
    resuming
        Whether the run continues from a checkpoint. Its earlier time is unknown if the file is missing then.
    """

    def __init__(self, file: Path, began: float, *, resuming: bool) -> None:
        self._file, self._began = file, began
        self._before = math.nan if resuming else 0.0
        with suppress(OSError, ValueError, TypeError):
            self._before = float(json.loads(file.read_text(encoding="utf-8")))

    @property
    def seconds(self) -> float:
        """Processor seconds of this process until now; NaN if unknown."""
        return self._before + cpu_seconds() - self._began

    def note(self) -> None:
        """Note the time. A full disk is not an error here: the run itself reports it."""
        with suppress(OSError):
            atomic_write(self._file, json.dumps(self.seconds))

    def on_save(self, *_: Any, **__: Any) -> None:
        """Note the time with each checkpoint, in case the process is killed."""
        self.note()

    def of_all(self, accelerator: Any) -> float | None:
        """Return the time of all processes together; None if that of one is unknown."""
        seconds = torch.tensor(self.seconds, device=accelerator.device)
        total = float(accelerator.reduce(seconds, "sum"))
        return None if math.isnan(total) else total
