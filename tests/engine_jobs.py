"""Jobs for tests of engines. Any process with the tests' folder on its path can import them."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GpusSeen:
    """Tasks that return the visible GPUs of their process. They wait for one another, so each has its own worker."""

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
    """Tasks that write a file named after their process, and never end."""

    folder: Path
    uses_gpu = False

    def open(self):
        return self.wait

    def wait(self, number):
        (self.folder / f"pid-{os.getpid()}").touch()
        while True:
            time.sleep(1)


# A program that starts endless tasks: `sys.argv` holds a folder and the name of the engine.
BEGIN_ENDLESS_TASKS = """
import sys
from pathlib import Path
from babelrank.engines.opening import open_engine
from engine_jobs import Endless

if __name__ == "__main__":
    with open_engine(sys.argv[2], 2) as engine:
        engine.run(Endless(Path(sys.argv[1])), range(2), print)
"""
