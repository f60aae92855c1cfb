"""Load sentence-transformers models with trusted code only, and only with weights of the checkpoint.

The libraries would continue silently: they fill weights that a checkpoint lacks with random numbers, and replace
untrusted code by something else.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from threading import RLock
from typing import TypeVar

import transformers
from safetensors import safe_open
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Transformer
from torch import nn
from transformers import PreTrainedModel
from transformers.utils.loading_report import LoadStateDictInfo

from babelrank.encoding.model_files import ModelFiles, require_safe_weights
from babelrank.errors import BabelrankError, EncoderError, described, listed

_LOGGER = logging.getLogger(__name__)
_LOADING = RLock()  # one checkpoint at a time, since each needs separate reports
_CODE = "auto_map"  # in configurations: classes of the model that replace the library's
_POOLER = "pooler"  # layer over the first token; a checkpoint may lack it if it is not used
_TRUST = "If you trust it, allow it with --trust-remote-code."
_QUANTISED = ("I8", "U8", "F8", "I4", "U4", "F4")  # types of quantised weights in safetensors begin so
_SHOWN = 3  # weights in an error

_Model = TypeVar("_Model")


def load_checked(
    build: Callable[[], _Model], files: ModelFiles, *, trust_remote_code: bool, allow_pickle: bool = False
) -> _Model:
    """Load a model, and check that all its weights and code come from the checkpoint.

    Warnings of the libraries are shown while they load, afterwards only errors.

    Parameters
    ----------
    build
        Function that loads a sentence-transformers model, or an object with one as `model`.
    trust_remote_code
        Whether `build` runs code that comes with the model.
    allow_pickle
        Whether `build` may read pickled weights, which can run code.

    Raises
    ------
    EncoderError
        The model cannot be loaded; weights are missing, have another shape or exist only as pickles; or untrusted code
        would be replaced.
    """
    for part in (files, *files.bases):
        if not allow_pickle:
            require_safe_weights(part)
        if not trust_remote_code:
            _require_known_code(part)
    try:
        with _LOADING, _library_warnings(), _loading_reports() as reports:
            model = build()
    except BabelrankError:
        raise
    except Exception as error:  # any error of several libraries, none of them a bug of babelrank
        hint = f" {_TRUST}" if "trust_remote_code" in str(error) else ""
        raise EncoderError(f"{files.location}: cannot be loaded ({described(error)}).{hint}") from error
    inner = model if isinstance(model, nn.Module) else getattr(model, "model", None)
    parts = list(inner.modules()) if isinstance(inner, nn.Module) else []
    _require_weights(parts, files, reports, trust_remote_code=trust_remote_code)
    for part in (files, *files.bases):
        _require_floats(part)
    return model


def _require_known_code(files: ModelFiles) -> None:
    """Refuse a model whose code a library would silently replace.

    This concerns activation functions of modules, and tokenizers.
    """
    for name in sorted(files.names):
        kind = PurePosixPath(name).name
        if kind == "config.json":
            function = files.read_object(name).get("activation_function")
            if isinstance(function, str) and "." in function and not function.startswith("torch."):
                raise EncoderError(
                    f"{files.name}: {name} needs {function}, an activation function in its own code. {_TRUST}"
                )
        elif kind == "tokenizer_config.json" and _CODE in files.read_object(name):
            raise EncoderError(f"{files.name}: the tokenizer is code of the model ({name}). {_TRUST}")


def _require_floats(files: ModelFiles) -> None:
    """Refuse weights in 8 bits without a word on how they were quantised: libraries read them without their scales."""
    for name in sorted(name for name in files.names if name.endswith(".safetensors")):
        config = files.read_object(str(PurePosixPath(name).with_name("config.json")))
        path = files.path_here(name) if config and not config.get("quantization_config") else None
        if path is None:
            continue
        with safe_open(path, "pt") as weights:
            keys = [key for key in list(weights.keys()) if key.endswith(".weight")]
            types = {key: weights.get_slice(key).get_dtype() for key in keys}
        if key := next((key for key in keys if types[key].startswith(_QUANTISED)), None):
            raise EncoderError(
                f"{files.name}: {name} holds {key} as {types[key]}, and config.json has no quantization_config, which "
                "would say how the weights were quantised."
            )


@contextmanager
def _loading_reports() -> Iterator[list[LoadStateDictInfo]]:
    """Collect the report of transformers on each checkpoint that it loads, instead of logging it.

    With `output_loading_info`, `from_pretrained` returns a pair, which sentence-transformers does not expect. The log
    shows a table that merges names. So this replaces the method that makes the table.
    """
    reports: list[LoadStateDictInfo] = []
    original = LoadStateDictInfo.create_loading_report

    def collect(report: LoadStateDictInfo, _: object = None) -> None:
        reports.append(report)

    LoadStateDictInfo.create_loading_report = collect
    try:
        yield reports
    finally:
        LoadStateDictInfo.create_loading_report = original


@contextmanager
def _library_warnings() -> Iterator[None]:
    """Show warnings of the libraries within the block, and only errors afterwards."""
    transformers.logging.disable_progress_bar()
    logger = logging.getLogger("sentence_transformers")
    transformers.logging.set_verbosity_warning()
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        transformers.logging.set_verbosity_error()
        logger.setLevel(logging.ERROR)


def _require_weights(
    parts: Sequence[nn.Module], files: ModelFiles, reports: Sequence[LoadStateDictInfo], *, trust_remote_code: bool
) -> None:
    """Refuse a model with weights that are not from the checkpoint. Warn of unused weights."""
    untrusted = _has_own_code(files) and not trust_remote_code
    hint = f" The model comes with its own code. {_TRUST}" if untrusted else ""
    unknown = sorted({key for report in reports for key in report.unexpected_keys})
    found = f" Instead it has {listed(unknown, _SHOWN)}." if unknown else ""
    missing = {key for report in reports for key in report.missing_keys}
    if not _reads_pooler(parts):
        missing = {key for key in missing if _POOLER not in key.split(".")}
    if missing:
        raise EncoderError(
            f"{files.name}: the checkpoint lacks weights: {listed(sorted(missing), _SHOWN)}.{found}{hint}"
        )
    wrong = {key for report in reports for key, *_ in report.mismatched_keys}
    wrong |= {key for report in reports for key in report.conversion_errors}
    if wrong:
        raise EncoderError(
            f"{files.name}: weights do not fit the architecture in config.json: {listed(sorted(wrong), _SHOWN)}.{hint}"
        )
    inside = _parts_of_encoders(parts)
    left_over = [key for key in unknown if not inside.isdisjoint(key.split(".")[:2])]
    if left_over and untrusted:
        raise EncoderError(
            f"{files.name}: the library's architecture cannot use weights of the checkpoint: "
            f"{listed(left_over, _SHOWN)}.{hint}"
        )
    if left_over:
        _LOGGER.warning("%s: weights of the checkpoint are not used: %s.", files.name, listed(left_over, _SHOWN))
    elif untrusted:
        _LOGGER.warning("%s: the model comes with its own code; the library's is used instead. %s", files.name, _TRUST)


def _has_own_code(files: ModelFiles) -> bool:
    """Return whether the model, or a base model of it, comes with code for its transformer."""
    configs = [(part, name) for part in (files, *files.bases) for name in part.names]
    return any(_CODE in part.read_object(name) for part, name in configs if PurePosixPath(name).name == "config.json")


def _reads_pooler(parts: Sequence[nn.Module]) -> bool:
    """Return whether vectors, or a cross-encoder's scores, depend on the pooler of a transformer."""
    readers = [part for part in parts if isinstance(part, Transformer)]
    is_pair_reader = any(isinstance(part, CrossEncoder) for part in parts)
    return is_pair_reader or any("pooler_output" in str(reader.modality_config) for reader in readers)


def _parts_of_encoders(parts: Sequence[nn.Module]) -> set[str]:
    """Return the names of the parts of transformers, without heads and poolers."""
    encoders = [part.base_model for part in parts if isinstance(part, PreTrainedModel)]
    return {name for encoder in encoders for name, _ in encoder.named_children()} - {_POOLER}
