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


@dataclass(frozen=True)
class Endless:
    """Tasks that name their process in a file, and never end."""

    folder: Path
    uses_gpu = False

    def open(self):
        return self.wait

    def wait(self, number):
        (self.folder / f"pid-{os.getpid()}").touch()
        while True:
            time.sleep(1)


# A program that begins tasks which never end: `sys.argv` holds a folder, and which engine does them.
BEGIN_ENDLESS_TASKS = """
import sys
from pathlib import Path
from babelrank.engines.opening import open_engine
from engine_jobs import Endless

if __name__ == "__main__":
    with open_engine(sys.argv[2], 2) as engine:
        engine.run(Endless(Path(sys.argv[1])), range(2), print)
"""
