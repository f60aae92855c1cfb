"""The name of an engine -> the engine."""

from contextlib import AbstractContextManager, nullcontext

from babelrank.engines.local import LocalWorkers, ThisProcess
from babelrank.engines.protocol import Engine
from babelrank.errors import EngineError, unknown_choice

ENGINES = ("local", "ray")


def open_engine(name: str, workers: int | None = None, address: str | None = None) -> AbstractContextManager[Engine]:
    """Return an engine; enter it before it runs anything.

    Parameters
    ----------
    name
        One of `ENGINES`.
    workers
        How many tasks at a time. ``local``: processes, by default none but this one; ``ray``: by default one for each
        core of the cluster.
    address
        Of a Ray cluster (``HOST:PORT``, ``ray://HOST:PORT`` or ``auto``); by default one is started for the run on this
        machine, whatever ``RAY_ADDRESS`` says.

    Raises
    ------
    EngineError
        The name is unknown, the address is for the other engine, Ray is not installed, or nothing listens at the
        address; on entry: what listens there is no cluster.
    """
    if name not in ENGINES:
        raise EngineError(unknown_choice("engine", name, ENGINES))
    if name == "ray":
        from babelrank.engines.ray_cluster import RayCluster  # Ray is optional, and slow to import

        return RayCluster(address, workers)
    if address is not None:
        raise EngineError(f"--address {address}: names a Ray cluster; add --engine ray.")
    return nullcontext(ThisProcess() if workers is None or workers < 2 else LocalWorkers(workers))
