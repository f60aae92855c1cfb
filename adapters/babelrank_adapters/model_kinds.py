"""Detect the adapter that a model's files are made for. There is at most one, so adapters do not overlap."""

from collections.abc import Callable

from babelrank.encoding.model_files import ModelFiles, look_for_model
from babelrank.encoding.protocol import EncoderOptions, Similarity, parse_similarity
from babelrank.errors import EncoderError

SENTENCE_TRANSFORMERS = "sentence-transformers"
TRANSFORMERS = "transformers"
SPARSE = "sparse"
MULTI_VECTOR = "multi-vector"
STATIC = "static"

ABOUT = "config_sentence_transformers.json"
# `model_type` in config_sentence_transformers.json. PyLate wrote ColBERT up to its version 3.
_MODEL_TYPES = {
    "SentenceTransformer": SENTENCE_TRANSFORMERS,
    "SparseEncoder": SPARSE,
    "MultiVectorEncoder": MULTI_VECTOR,
    "ColBERT": MULTI_VECTOR,
}
CLASSIFIER = "classifier"  # no adapter: a checkpoint with a head that scores or labels texts
_CLASSIFIERS = ("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice")
_LATE_INTERACTION = ("HF_ColBERT", "ForRetrieval")  # ends of architectures: Stanford's ColBERT, ColPali and its kin
_MODEL2VEC = "model2vec"


def adapter_for(files: ModelFiles) -> str | None:
    """Return the name of the adapter that a model is made for; None if it is not a known text encoder."""
    config = files.config
    if _is_model2vec(files, config):
        return STATIC
    if "modules.json" in files.names:
        about = files.read_object(ABOUT)
        return _MODEL_TYPES.get(about.get("model_type") or "SentenceTransformer")
    architecture = architecture_of(files)
    if architecture.endswith(_LATE_INTERACTION):
        return MULTI_VECTOR
    return CLASSIFIER if architecture.endswith(_CLASSIFIERS) else TRANSFORMERS


def architecture_of(files: ModelFiles) -> str:
    """Return the class of a checkpoint from its configuration; empty if unknown."""
    match files.config.get("architectures"):
        case [str(name), *_]:
            return name
    return ""


def recogniser(adapter: str) -> Callable[[str, EncoderOptions], bool]:
    """Return a function that returns whether a model is for `adapter`."""

    def recognises(model: str, options: EncoderOptions) -> bool:
        files = look_for_model(model, options.revision)
        return files is not None and adapter_for(files) == adapter

    return recognises


def require_kind(files: ModelFiles, adapter: str, *others: str) -> None:
    """Refuse a model that is made for another adapter, since this one would add untrained parts.

    Parameters
    ----------
    others
        Other adapters with models that `adapter` can also load.

    Raises
    ------
    EncoderError
        The model is not for any of these adapters.
    """
    kind = adapter_for(files)
    if kind is None:
        about = files.read_object(ABOUT)
        raise EncoderError(
            f"{files.name}: a {about['model_type']}, which does not encode single texts. Use a CrossEncoder with "
            "`babelrank rerank`."
        )
    if kind == CLASSIFIER and kind not in others:
        raise EncoderError(
            f"{files.name}: a {architecture_of(files)}, which scores or labels texts and does not encode them. Use a "
            "cross-encoder with `babelrank rerank`, or pool the tokens of any checkpoint with --adapter transformers."
        )
    if kind not in (adapter, *others):
        raise EncoderError(f"{files.name}: not a model for adapter {adapter!r}; use --adapter {kind}.")


def declared_similarity(files: ModelFiles) -> Similarity | None:
    """Return the similarity in a model's configuration, which sentence-transformers ignores if it is unknown to it.

    Raises
    ------
    EncoderError
        It is none that babelrank knows.
    """
    declared = files.read_object(ABOUT).get("similarity_fn_name")
    try:
        return parse_similarity(declared)
    except EncoderError as error:
        raise EncoderError(
            f"{files.name}: {ABOUT}: similarity_fn_name is {declared!r}. Valid: {', '.join(Similarity)}. Choose one "
            "with --similarity."
        ) from error


def _is_model2vec(files: ModelFiles, config: dict[str, object]) -> bool:
    """Return whether `StaticModel.save_pretrained` wrote the model (sentence-transformers writes no config.json)."""
    if config.get("model_type") == _MODEL2VEC:
        return True
    match files.read_json("modules.json"):
        case [{"type": str(module)}, *_]:
            return bool(config) and module.endswith(".StaticEmbedding")
    return False
