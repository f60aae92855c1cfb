"""mteb's BM25 baselines as sparse encoders: mteb's tokens, stemmer and stop words, and bm25s' formulas.

mteb chooses stop words and a stemmer by the language of a task's subset, and English where it has several. Here that is
the language of the task, so English unless `--option task=NAME` names a task in one language.
"""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from scipy.sparse import csr_array

from babelrank.encoding.protocol import EncoderOptions
from babelrank_adapters.bm25 import Bm25Encoder

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models.model_implementations.bm25 import BM25Tokenizer
    from mteb.models.model_meta import ModelMeta

_DEFAULT_LANGUAGE = "eng"  # mteb's own where a task has several


class MtebBm25Encoder(Bm25Encoder):
    """Reads passages as mteb does: after a title, which is empty, and a line's end."""

    def encode_document(self, texts: Sequence[str]) -> csr_array:
        """Return term counts as float32, shape (len(texts), 2⁴⁸)."""
        return super().encode_document(["\n" + text for text in texts])


def is_bm25(model: object) -> bool:
    """Tell whether a model that mteb loaded is its BM25."""
    from mteb.models.model_implementations.bm25 import BM25Search

    return isinstance(model, BM25Search)


def bm25_encoder(model: Any, meta: "ModelMeta", task: "TaskMetadata", options: EncoderOptions) -> MtebBm25Encoder:
    """Return an encoder that gives passages the scores which mteb's BM25 gives them.

    Raises
    ------
    EncoderError
        A similarity is asked for; BM25 has its own.
    """
    from mteb.models.model_implementations.bm25 import BM25Tokenizer

    options.reject_unsupported(str(meta.name), "similarity")
    language = task.languages[0] if len(task.languages) == 1 else _DEFAULT_LANGUAGE
    tokenizer = BM25Tokenizer(
        language=None if model._tokenizer_cfg else language,
        stopwords_key=model._stopwords_cfg,
        stemmer_language=model._stemmer_cfg,
        tokenizer=model._tokenizer_cfg,
    )
    settings = {
        "task": task.name,
        "language": language,
        **{name: getattr(model, name) for name in ("method", "k1", "b")},
    }
    return MtebBm25Encoder(
        settings,
        _tokenise(tokenizer),
        model._freq_threshold or None if tokenizer.stopwords_key is None else None,
        name=str(meta.name),
        adapter="mteb",
        fingerprint=f"mteb=={version('mteb')} {meta.name} {meta.revision}, PyStemmer=={version('PyStemmer')}",
    )


def _tokenise(tokenizer: "BM25Tokenizer") -> Callable[[str], list[str]]:
    """Return the function that cuts a text into terms; mteb's own takes all texts, and shows progress of each call."""
    from bm25s import tokenize
    from mteb.models.model_implementations.bm25 import _get_stopwords

    key, cut, stemmer = tokenizer.stopwords_key, tokenizer._tok_arg, tokenizer.stemmer
    stop_words = _get_stopwords(key) if key else frozenset()
    if cut is None:
        listed = list(stop_words)
        return lambda text: tokenize(text, stopwords=listed, stemmer=stemmer, return_ids=False, show_progress=False)[0]
    split = cut if callable(cut) else tokenizer._named_tok(cut)
    return lambda text: [term for term in split(text) if term not in stop_words]
