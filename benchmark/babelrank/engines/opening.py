"""Open an engine by name."""

from contextlib import AbstractContextManager, nullcontext

from babelrank.engines.local import LocalWorkers, ThisProcess
from babelrank.engines.protocol import Engine
from babelrank.errors import EngineError, unknown_choice

ENGINES = ("local", "ray")


def open_engine(name: str, workers: int | None = None, address: str | None = None) -> AbstractContextManager[Engine]:
    """Return an engine. Enter it as a context manager before it runs tasks.

    Parameters
    ----------
    name
        One of `ENGINES`.
    workers
        Number of tasks at a time. ``local``: worker processes, by default none (all tasks run in this process).
        ``ray``: by default one task per core of the cluster.
    address
        Address of a Ray cluster (``HOST:PORT``, ``ray://HOST:PORT`` or ``auto``). By default a cluster is started on
        this machine, and ``RAY_ADDRESS`` is ignored.

    Raises
    ------
    EngineError
        The name is unknown, the address is for the other engine, Ray is not installed, or nothing listens at the
        address. On entry: the address is not that of a Ray cluster.
    """
    if name not in ENGINES:
        raise EngineError(unknown_choice("engine", name, ENGINES))
    if name == "ray":
        from babelrank.engines.ray_cluster import RayCluster  # Ray is optional, and slow to import

        return RayCluster(address, workers)
    if address is not None:
        raise EngineError(f"--address {address} is for a Ray cluster; add --engine ray.")
    return nullcontext(ThisProcess() if workers is None or workers < 2 else LocalWorkers(workers))
