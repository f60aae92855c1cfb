"""Find adapters by entry point, and the right one for a model."""

from contextlib import suppress
from importlib.metadata import entry_points

from babelrank.encoding.protocol import Adapter, Encoder, EncoderOptions
from babelrank.errors import BabelrankError, EncoderError, described, unknown_choice

ENTRY_POINT_GROUP = "babelrank.adapters"
_FALLBACK = "sentence-transformers"  # loads any Hub name or model folder that no other adapter recognises


def adapter_names() -> list[str]:
    """Return the names of the installed adapters."""
    return sorted({point.name for point in entry_points(group=ENTRY_POINT_GROUP)})


def load_adapter(name: str) -> Adapter:
    """Import one adapter.

    Raises
    ------
    EncoderError
        The adapter is unknown or cannot be imported.
    """
    found = entry_points(group=ENTRY_POINT_GROUP, name=name)
    if not found:
        raise EncoderError(unknown_choice("adapter", name, adapter_names()))
    point = next(iter(found))
    try:
        adapter = point.load()
    except (Exception, SystemExit) as error:  # importing runs the package's code
        raise EncoderError(f"adapter {name!r} ({point.value}) cannot be imported ({described(error)}).") from error
    if not isinstance(adapter, Adapter):
        raise EncoderError(f"adapter {name!r}: {point.value} is a {type(adapter).__name__}, not a babelrank Adapter.")
    return adapter


def find_adapter(model: str, options: EncoderOptions) -> Adapter:
    """Return the adapter that recognises `model`, or the one that loads any sentence-transformers model."""
    for name in adapter_names():
        with suppress(Exception):  # a broken plug-in does not stop the others; by name, its error is shown
            adapter = load_adapter(name)
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
    chosen = load_adapter(adapter) if adapter else find_adapter(model, options)
    try:
        return chosen.load(model, options)
    except BabelrankError:
        raise
    except Exception as error:  # any of several libraries' own errors
        raise EncoderError(f"{model}: adapter {chosen.name!r} cannot load it ({described(error)}).") from error
