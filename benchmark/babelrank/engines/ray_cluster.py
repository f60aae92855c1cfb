"""Run tasks on a Ray cluster: an existing one, or one that is started on this machine for the run.

Every machine of a cluster needs babelrank, and the store, the collection and the model's folder under the same paths.
If a worker or its machine dies, Ray repeats the task elsewhere.

Anyone who can reach the ports of a Ray cluster can run code on it. A cluster that is started here therefore listens
on loopback only.
"""

import math
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

from babelrank.engines.protocol import RETRIES, Job, Result
from babelrank.engines.termination import exit_on_sigterm, folder_of_children
from babelrank.environment import available_cores
from babelrank.errors import BabelrankError, EngineError

_SECONDS_TO_CONNECT = 5.0
_OBJECT_STORE_BYTES = (
    80 * 2**20
)  # of a cluster that is started here; vectors go through the disk, only queries through Ray
# For a cluster that is started here. Ray has no option for the interface; where clusters of several machines are off,
# as by default on Windows and macOS, all its ports are bound to loopback.
_LOCAL_SETTINGS = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


class RayCluster:
    """A cluster. The connection lasts as long as the block.

    Parameters
    ----------
    address, workers
        See `open_engine`.
    """

    processes = 0
    spreads_search = True

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        if address is None:
            os.environ.update(_LOCAL_SETTINGS)  # Ray reads them when it is imported
        try:
            import ray
        except ModuleNotFoundError as error:
            raise EngineError(f"{error}: install what --engine ray needs with: pip install 'babelrank[ray]'") from error
        if address is not None:
            _knock(address)
        self._ray, self._address, self._workers = ray, address, workers
        self._on_exit = ExitStack()

    def __enter__(self) -> Self:
        ray = self._ray
        quiet = {"log_to_driver": False, "logging_level": "error"}
        if self._address is None:
            cores = self._workers or available_cores()
            # A separate folder, since some of Ray's processes would outlive a killed driver.
            folder = self._on_exit.enter_context(folder_of_children(os.environ.get("RAY_TMPDIR")))
            # "local": without it Ray would connect to the cluster that RAY_ADDRESS names.
            ray.init(
                address="local",
                num_cpus=cores,
                object_store_memory=_OBJECT_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=str(folder),
                **quiet,
            )
        else:
            try:
                ray.init(address=self._address, **quiet)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise _unreachable(self._address, error) from error
        self._on_exit.callback(ray.shutdown)
        self._on_exit.enter_context(exit_on_sigterm())  # in place of Ray's own handler
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._on_exit.__exit__(kind, error, trace)

    def run(self, job: Job[Result], numbers: Sequence[int], on_done: Callable[[int, Result], None]) -> None:
        """See `Engine.run`."""
        ray = self._ray
        slots, needs = self._plan(job)
        task = ray.remote(**needs, max_retries=RETRIES)(_do)
        shared, identity, waiting = ray.put(job), uuid4().hex, deque(numbers)
        running: dict[Any, int] = {}
        done = 0
        try:
            while waiting or running:
                while waiting and len(running) < slots:
                    number = waiting.popleft()
                    running[task.remote(shared, identity, number)] = number
                (reference,), _ = ray.wait(list(running), num_returns=1)
                number = running.pop(reference)
                on_done(number, self._result(reference, number, f"{done:,} of {len(numbers):,}"))
                done += 1
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def _plan(self, job: Job[Any]) -> tuple[int, dict[str, float]]:
        """Return the number of tasks at a time, and the resources that each needs, in Ray's terms."""
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        gpus = sum(int(machine.get("GPU", 0)) for machine in machines) if job.uses_gpu else 0
        # Machines without a GPU cannot run these tasks, so their cores do not count.
        counts = [int(machine.get("CPU", 1)) for machine in machines if not gpus or machine.get("GPU")]
        cores = max(1, sum(counts))
        slots = min(self._workers or gpus or cores, cores)
        # A task must fit on a machine. The remaining cores of a smaller machine stay idle.
        needs: dict[str, float] = {"num_cpus": max(1, min(cores // slots, max(counts, default=1)))}
        if gpus:
            needs["num_gpus"] = 1 if slots <= gpus else 1 / math.ceil(slots / gpus)
        return slots, needs

    def _result(self, reference: Any, number: int, progress: str) -> Any:
        ray = self._ray
        try:
            return ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, BabelrankError):
                raise error.cause from None
            raise
        except ray.exceptions.RayError as error:
            raise EngineError(
                f"shard {number}: its worker died, and {RETRIES} retries did not help ({type(error).__name__}). "
                f"{progress} shards are done and kept; run the same command again to continue."
            ) from error


_opened: dict[str, Callable[[int], Any]] = {}


def _do(job: Job[Result], identity: str, number: int) -> Result:
    """Run one task. Its job stays loaded for the next task of this process."""
    if identity not in _opened:
        _opened.clear()
        _opened[identity] = job.open()
    result: Result = _opened[identity](number)
    return result


def _knock(address: str) -> None:
    """Check within seconds that something listens at an address. Ray itself takes minutes."""
    place = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = place.hostname, place.port
    except ValueError as error:
        raise _unreachable(address, error) from error
    if not host or not port:
        if address == "auto":
            return
        raise EngineError(f"--address {address!r}: expected HOST:PORT, ray://HOST:PORT or auto.")
    try:
        socket.create_connection((host, port), _SECONDS_TO_CONNECT).close()
    except OSError as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> EngineError:
    return EngineError(
        f"the Ray cluster at {address} cannot be reached ({error}). `ray status` on its head node shows whether it "
        "runs. Without --address, a cluster is started on this machine."
    )
