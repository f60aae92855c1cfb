"""Decide whether a collection is evaluated in memory or streamed, and estimate the memory that each mode needs."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from babelrank.data.collection import Collection
from babelrank.encoding.corpus import encoding_bytes, plan_corpus
from babelrank.encoding.protocol import Encoder, EncoderInfo
from babelrank.encoding.vectors import Kind
from babelrank.engines.opening import open_engine
from babelrank.engines.protocol import Engine
from babelrank.environment import available_memory, resident_memory
from babelrank.errors import EncoderError, SearchError
from babelrank.files import show_size
from babelrank.ranking.tally import MEMORY_LIMIT

# Estimate of a collection's memory. A text of n characters is a string of n to 4n bytes, plus its id, its language
# and the overhead of pandas. Its vector exists three times: as stored, as collected and as compared.
_TEXT_BYTES_PER_CHARACTER = 2
_TEXT_BYTES_PER_PASSAGE = 400
_VECTOR_COPIES = 3
_SHARE_OF_FREE = 0.7  # of the free memory; other programs need the rest
_SEARCH_BYTES = 256 * 2**20  # minimum for ranking any corpus
_SLACK = 32 * 2**20  # memory that allocators keep
_WHAT_STREAMS = "only dense vectors without transforms can be streamed"


@dataclass(frozen=True)
class Streaming:
    """How collections are streamed.

    Attributes
    ----------
    memory
        Memory limit in bytes of this process and its local workers together; None takes what is free.
    engine, workers, address
        As for `open_engine`; None if not given.
    """

    memory: int | None = None
    engine: str | None = None
    workers: int | None = None
    address: str | None = None

    @property
    def requested(self) -> bool:
        """Whether to stream a collection even if it would fit."""
        return self != Streaming()

    def open(self) -> AbstractContextManager[Engine]:
        """Return the engine, see `open_engine`."""
        return open_engine(self.engine or "local", self.workers, self.address)


def choose_mode(
    collection: Collection, info: EncoderInfo, streaming: Streaming, transforms: Sequence[object]
) -> tuple[bool, str]:
    """Return whether a collection is streamed, and the reason in words.

    Raises
    ------
    EncoderError
        Streaming was requested, but the representations are not dense or there are transforms.
    """
    if collection.passages.in_memory:
        return (
            False,
            "evaluated in memory; only passages on disk can be streamed" if streaming.requested else "",
        )
    if info.kind is not Kind.DENSE and not streaming.requested:
        # Their size is not known beforehand: a sparse vector may have billions of dimensions but few entries.
        return False, f"evaluated in memory, since {_WHAT_STREAMS}"
    size, free = estimate_memory(collection, info.dimension), available_memory()
    known = "an unknown amount" if free is None else show_size(free)
    estimate = f"it needs about {show_size(size)} of memory, and {known} is free"
    if streaming.requested:
        plan_corpus(collection, info)  # refuses vectors that are not dense
        if transforms:
            raise EncoderError(
                "--transform: transforms are fitted on all vectors at once, so they cannot be streamed. Without "
                "--memory, --engine and --workers the collection is evaluated in memory."
            )
        return True, f"streamed, as requested; {estimate}"
    if free is None or size <= _SHARE_OF_FREE * free:
        return False, f"evaluated in memory; {estimate}"
    if transforms:
        return False, f"evaluated in memory, since {_WHAT_STREAMS}; {estimate}"
    return True, f"streamed; {estimate}"


def estimate_memory(collection: Collection, dimension: int) -> int:
    """Estimate the bytes that the collection and its vectors take in memory."""
    per_passage = _TEXT_BYTES_PER_PASSAGE + 4 * _VECTOR_COPIES * dimension
    return _TEXT_BYTES_PER_CHARACTER * collection.passages.characters + per_passage * len(collection.passages)


def check_memory(limit: int | None, collection: Collection, encoder: Encoder, engine: Engine) -> int | None:
    """Return the bytes that this process may hold; None if there is no limit.

    Raises
    ------
    SearchError
        The limit is too low. The message says how much is needed.
    """
    if limit is None:
        return None
    held = resident_memory()
    queries = 3 * 4 * encoder.info.dimension * len(collection.queries)
    # Each worker loads the model, too. While workers encode, this process does not.
    needed = max(
        held
        + queries
        + (engine.processes or 1) * encoding_bytes(plan_corpus(collection, encoder.info))
        + engine.processes * held,
        held + queries + _SEARCH_BYTES + _SLACK,
    )
    if needed > limit:
        workers = f", as does each of {engine.processes} workers" if engine.processes else ""
        raise SearchError(
            f"--memory {limit / 1e6:,.0f} MB is too low: babelrank with the model and the queries of {collection.name} "
            f"takes {held / 1e6:,.0f} MB already{workers}. Set at least {needed / 1e6:,.0f} MB, plus room for the "
            "model's activations."
        )
    return limit


def ranking_memory(limit: int | None) -> int:
    """Return the memory for ranking, in bytes."""
    if limit is not None:
        return limit - resident_memory() - _SLACK
    free = available_memory()
    return MEMORY_LIMIT if free is None else max(_SEARCH_BYTES, min(MEMORY_LIMIT, free // 2))
