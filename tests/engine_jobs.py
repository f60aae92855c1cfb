"""Jobs for tests of engines: any process finds them where the tests' folder is on its path."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GpusSeen:
    """Tasks that return the GPUs their process sees; they wait for one another, so that each has its own worker."""

    folder: Path
    together: int
    uses_gpu: bool

    def open(self):
        return self.look

    def look(self, number):
        (self.folder / f"task-{number}").touch()
        until = time.monotonic() + 60
        while len(list(self.folder.glob("task-*"))) < self.together:
            if time.monotonic() > until:
                raise TimeoutError(f"fewer than {self.together} tasks ran at a time")
            time.sleep(0.01)
        return os.environ.get("CUDA_VISIBLE_DEVICES")
