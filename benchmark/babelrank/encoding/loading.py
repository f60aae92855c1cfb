"""Models of sentence-transformers that are their checkpoints': trusted code only, and no weights from elsewhere.

The libraries go on where they should not. They fill weights that a checkpoint lacks with random numbers, and replace
code that is not trusted by something else.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from threading import RLock
from typing import TypeVar

import transformers
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Transformer
from torch import nn
from transformers import PreTrainedModel
from transformers.utils.loading_report import LoadStateDictInfo

from babelrank.encoding.model_files import ModelFiles, require_safe_weights
from babelrank.errors import BabelrankError, EncoderError, listed

_LOGGER = logging.getLogger(__name__)
_LOADING = RLock()  # one checkpoint at a time, as each needs reports of its own
_CODE = "auto_map"  # in configurations: the model's own classes, by the library's that they stand for
_POOLER = "pooler"  # a layer over the first token, which a checkpoint may lack if it is not used
_TRUST = "--trust-remote-code lets the model's own code run, if you trust it."
_SHOWN = 3  # weights that an error names

_Model = TypeVar("_Model")


def load_checked(
    build: Callable[[], _Model], files: ModelFiles, *, trust_remote_code: bool, allow_pickle: bool = False
) -> _Model:
    """Load a model, and make sure that all it computes with comes from its checkpoint.

    What the libraries warn of is shown while they load. Afterwards they show errors only.

    Parameters
    ----------
    build
        Loads the model: one of sentence-transformers, or an object that holds one as `model`.
    trust_remote_code
        Whether `build` runs code that comes with the model.
    allow_pickle
        Whether `build` may read weights that can run code as they are read.

    Raises
    ------
    EncoderError
        The model cannot be loaded; weights are pickled only, missing, or of another shape; or code that is not trusted
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
    except Exception as error:  # any of several libraries' own errors, none of them a bug of ours
        hint = f" {_TRUST}" if "trust_remote_code" in str(error) else ""
        raise EncoderError(f"{files.location}: cannot be loaded ({type(error).__name__}: {error}).{hint}") from error
    inner = model if isinstance(model, nn.Module) else getattr(model, "model", None)
    parts = list(inner.modules()) if isinstance(inner, nn.Module) else []
    _require_weights(parts, files, reports, trust_remote_code=trust_remote_code)
    return model


def _require_known_code(files: ModelFiles) -> None:
    """Refuse a model for which a library would silently put something in the place of the model's own code.

    That is an activation function of a module, or the tokenizer.
    """
    for name in sorted(files.names):
        kind = PurePosixPath(name).name
        if kind == "config.json":
            function = files.read_object(name).get("activation_function")
            if isinstance(function, str) and "." in function and not function.startswith("torch."):
                raise EncoderError(f"{files.name}: {name} asks for the activation function {function}. {_TRUST}")
        elif kind == "tokenizer_config.json" and _CODE in files.read_object(name):
            raise EncoderError(f"{files.name}: the tokenizer is code of the model's own ({name}). {_TRUST}")


@contextmanager
def _loading_reports() -> Iterator[list[LoadStateDictInfo]]:
    """Collect what transformers reports of each checkpoint that it loads, in place of logging it.

    Its `output_loading_info` makes `from_pretrained` return a pair, which sentence-transformers does not expect. Its
    log has the same as a table that merges names. So this takes the place of the method that makes the table.
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
    """Show what the libraries warn of; afterwards only errors, as what they say while encoding is in the report."""
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
    """Refuse a model with weights that are not from the checkpoint; warn of weights that are not used."""
    untrusted = _has_own_code(files) and not trust_remote_code
    hint = f" The model comes with code of its own. {_TRUST}" if untrusted else ""
    unknown = sorted({key for report in reports for key in report.unexpected_keys})
    found = f" It has {listed(unknown, _SHOWN)} instead." if unknown else ""
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
            f"{files.name}: weights do not fit the architecture that config.json describes: "
            f"{listed(sorted(wrong), _SHOWN)}.{hint}"
        )
    inside = _parts_of_encoders(parts)
    left_over = [key for key in unknown if not inside.isdisjoint(key.split(".")[:2])]
    if left_over and untrusted:
        raise EncoderError(
            f"{files.name}: the library's architecture has no place for weights of the checkpoint: "
            f"{listed(left_over, _SHOWN)}.{hint}"
        )
    if left_over:
        _LOGGER.warning("%s: weights of the checkpoint are not used: %s.", files.name, listed(left_over, _SHOWN))
    elif untrusted:
        _LOGGER.warning(
            "%s: the model comes with code of its own; the library's is used instead. %s", files.name, _TRUST
        )


def _has_own_code(files: ModelFiles) -> bool:
    """Tell whether the model, or a base of it, comes with code for its transformer."""
    configs = [(part, name) for part in (files, *files.bases) for name in part.names]
    return any(_CODE in part.read_object(name) for part, name in configs if PurePosixPath(name).name == "config.json")


def _reads_pooler(parts: Sequence[nn.Module]) -> bool:
    """Tell whether vectors, or a cross-encoder's scores, come from the pooler of a transformer."""
    readers = [part for part in parts if isinstance(part, Transformer)]
    is_pair_reader = any(isinstance(part, CrossEncoder) for part in parts)
    return is_pair_reader or any("pooler_output" in str(reader.modality_config) for reader in readers)


def _parts_of_encoders(parts: Sequence[nn.Module]) -> set[str]:
    """Return what the parts of transformers are called, without heads and poolers."""
    encoders = [part.base_model for part in parts if isinstance(part, PreTrainedModel)]
    return {name for encoder in encoders for name, _ in encoder.named_children()} - {_POOLER}
