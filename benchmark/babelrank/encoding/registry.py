"""Find adapters by entry point, and the right one for a model."""

from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points

from babelrank.encoding.protocol import Adapter, Encoder, EncoderOptions
from babelrank.errors import BabelrankError, EncoderError, described, unknown_choice

ENTRY_POINT_GROUP = "babelrank.adapters"
_FALLBACK = "sentence-transformers"  # loads any Hub name or model folder that no other adapter recognises


def adapter_names() -> list[str]:
    """Return the names of the installed adapters."""
    return sorted(entry_points(group=ENTRY_POINT_GROUP).names)


def installed_adapters() -> Iterator[Adapter]:
    """Yield the installed adapters by name. Broken ones are left out: `load_adapter` says what is wrong with them."""
    points = entry_points(group=ENTRY_POINT_GROUP)  # once, as it reads the metadata of all installed packages
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
    points = entry_points(group=ENTRY_POINT_GROUP)
    if name not in points.names:
        raise EncoderError(unknown_choice("adapter", name, sorted(points.names)))
    return _import(points[name])


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
