"""A user's function or class, by the name of its module; see `babelrank.encoding.objects`.

It receives `--batch-size` texts per call. The module and its imports are searched in the working directory first.

The fingerprint is the digest of the module's source and the name in it. It does not cover files that the function
reads, modules that it imports or weights that it downloads. Change `--option version=…` when they change.
"""

import hashlib
import importlib
import re
import sys
from contextlib import suppress
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from babelrank.encoding.objects import ObjectEncoder
from babelrank.encoding.protocol import PROMPT_NAMES, Adapter, EncoderOptions
from babelrank.encoding.registry import adapter_names
from babelrank.errors import EncoderError, described, unknown_choice

_NAME = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")


def _load(model: str, options: EncoderOptions) -> ObjectEncoder:
    options.reject_unsupported("callable", *PROMPT_NAMES, "max_length", "dtype", "device", "revision")
    given = options.read_options("callable", {"version": str})
    module, name, target = _find(model)
    fingerprint = _fingerprint(module, name, given.get("version"))
    return ObjectEncoder(target, options, name=model, adapter="callable", fingerprint=fingerprint, settings=given)


def _find(model: str) -> tuple[ModuleType, str, Any]:
    """Import the module and return it with the name and the object of that name. Its folder stays importable."""
    match = _NAME.fullmatch(model)
    if match is None:
        raise EncoderError(f"{model!r}: expected module:function or module:Class.")
    module_name, name = match.groups()
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()  # the module may be new
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # importing runs the user's code
        raise EncoderError(f"{model}: {module_name} cannot be imported ({described(error)}).") from error
    if not hasattr(module, name):
        own = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise EncoderError(f"{module_name}: " + unknown_choice("function or class", name, own))
    return module, name, getattr(module, name)


def _fingerprint(module: ModuleType, name: str, version: str | None) -> str:
    """Return the SHA-256 (hex) of the module's file with the name; without a file, the user's version."""
    path = getattr(module, "__file__", None)
    if path is None and version is None:
        raise EncoderError(f"{module.__name__}: has no source file; set --option version=… to identify it.")
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else "no file"
    return f"{digest} {module.__name__}:{name}"


def _recognises(model: str, _: EncoderOptions) -> bool:
    """Return whether the model is NAME:NAME with an importable module, and the first name is not an adapter's."""
    match = _NAME.fullmatch(model)
    if match is None or (top := match[1].partition(".")[0]) in adapter_names():
        return False
    importlib.invalidate_caches()
    with suppress(ValueError):  # a module without an origin, such as __main__
        return bool(PathFinder.find_spec(top, [str(Path.cwd())]) or find_spec(top))
    return False


ADAPTER = Adapter(
    name="callable", models="module:function or module:Class in your code", load=_load, recognises=_recognises
)
