"""Find adapters by entry point, and the right one for a model."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path

from babelrank.encoding.protocol import Adapter, Encoder, EncoderOptions
from babelrank.errors import BabelrankError, EncoderError, described, unknown_choice

ENTRY_POINT_GROUP = "babelrank.adapters"
_FALLBACK = "sentence-transformers"  # loads any Hub name or model folder that no other adapter recognises


def adapter_names() -> list[str]:
    """Return the names of the installed adapters."""
    return sorted(_entry_points().names)


def installed_adapters() -> Iterator[Adapter]:
    """Yield the installed adapters by name. Broken ones are left out: `load_adapter` says what is wrong with them."""
    points = _entry_points()
    for name in sorted(points.names):
        try:
            adapter = _import(points[name])
        except EncoderError:
            continue
        yield adapter


def load_adapter(name: str) -> Adapter:
    """Import one adapter.

    Raises
    ------
    EncoderError
        The adapter is unknown or cannot be imported.
    """
    points = _entry_points()
    if name not in points.names:
        raise EncoderError(unknown_choice("adapter", name, sorted(points.names)))
    return _import(points[name])


def _entry_points() -> EntryPoints:
    """Return the entry points of adapters, read again if a package was installed or removed."""
    return _read_entry_points(tuple((place, _changed(place)) for place in sys.path))


@lru_cache(1)
def _read_entry_points(_: tuple[tuple[str, int], ...]) -> EntryPoints:
    return entry_points(group=ENTRY_POINT_GROUP)  # reads the metadata of all installed packages


def _changed(folder: str) -> int:
    """Return when a folder was changed last, in nanoseconds; 0 if there is none."""
    with suppress(OSError):
        return Path(folder or ".").stat().st_mtime_ns
    return 0


def _import(point: EntryPoint) -> Adapter:
    try:
        adapter = point.load()
    except (Exception, SystemExit) as error:  # importing runs the package's code
        raise EncoderError(
            f"adapter {point.name!r} ({point.value}) cannot be imported ({described(error)})."
        ) from error
    if not isinstance(adapter, Adapter):
        what = type(adapter).__name__
        raise EncoderError(f"adapter {point.name!r}: {point.value} is a {what}, not a babelrank Adapter.")
    return adapter


def find_adapter(model: str, options: EncoderOptions) -> Adapter:
    """Return the adapter that recognises `model`, or the one that loads any sentence-transformers model."""
    for adapter in installed_adapters():
        with suppress(Exception):  # a broken plug-in does not stop the others
            if adapter.recognises(model, options):
                return adapter
    return load_adapter(_FALLBACK)


def load_encoder(model: str, options: EncoderOptions | None = None, *, adapter: str | None = None) -> Encoder:
    """Load a model by name or folder.

    Parameters
    ----------
    model
        Such as ``use-multilingual-v3``, ``intfloat/multilingual-e5-small`` or ``./checkpoint``.
    options
        Changes to the model's configuration.
    adapter
        Name of the adapter; found automatically by default.

    Raises
    ------
    EncoderError
        The adapter or the model is unknown, or the model cannot be loaded.
    """
    options = options or EncoderOptions()
    return load_with(choose_adapter(model, options, adapter), model, options)


def choose_adapter(model: str, options: EncoderOptions, name: str | None = None) -> Adapter:
    """Return the adapter with a name, or the one for a model.

    Raises
    ------
    EncoderError
        The adapter is unknown, or no model is given.
    """
    if not model.strip():
        raise EncoderError("no model given; name one, such as intfloat/multilingual-e5-small, or a folder.")
    return load_adapter(name) if name else find_adapter(model, options)


def load_with(adapter: Adapter, model: str, options: EncoderOptions) -> Encoder:
    """Load a model by its adapter.

    Raises
    ------
    EncoderError
        The model is unknown or cannot be loaded.
    """
    try:
        return adapter.load(model, options)
    except BabelrankError:
        raise
    except Exception as error:  # any of several libraries' own errors
        raise EncoderError(f"{model}: adapter {adapter.name!r} cannot load it ({described(error)}).") from error
