"""In memory or streamed: which mode a collection is evaluated in, and what each takes."""

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

# About what a collection takes in memory. A text of n characters is a string of n to 4n bytes, with its id, its
# language and what pandas keeps of the three; its vector is there as stored, as collected and as compared.
_TEXT_BYTES_PER_CHARACTER = 2
_TEXT_BYTES_PER_PASSAGE = 400
_VECTOR_COPIES = 3
_SHARE_OF_FREE = 0.7  # of the memory that is free: more would push out what others need
_SEARCH_BYTES = 256 * 2**20  # that ranking needs at least, whatever the corpus
_SLACK = 32 * 2**20  # what allocators keep
_WHAT_STREAMS = "only dense vectors without transforms stream"


@dataclass(frozen=True)
class Streaming:
    """How collections are streamed.

    Attributes
    ----------
    memory
        Bytes that this process, and the local workers with it, may hold; None leaves it to what is free.
    engine, workers, address
        See `open_engine`; None if they were not given.
    """

    memory: int | None = None
    engine: str | None = None
    workers: int | None = None
    address: str | None = None

    @property
    def requested(self) -> bool:
        """Whether a collection is streamed even if it would fit."""
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
        Streaming was asked for, but the representations are not dense, or transforms are to be applied.
    """
    if collection.passages.in_memory:
        return (
            False,
            "evaluated in memory; only passages on disk can be streamed" if streaming.requested else "",
        )
    if info.kind is not Kind.DENSE and not streaming.requested:
        # What they take is not known beforehand: a vector may have billions of places, and a few that are not 0.
        return False, f"evaluated in memory, since {_WHAT_STREAMS}"
    size, free = estimate_memory(collection, info.dimension), available_memory()
    known = "an unknown amount" if free is None else show_size(free)
    estimate = f"all in memory takes about {show_size(size)}, {known} are free"
    if streaming.requested:
        plan_corpus(collection, info)  # which refuses what is not dense
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
    """Return about how many bytes the collection and its vectors take when all is in memory."""
    per_passage = _TEXT_BYTES_PER_PASSAGE + 4 * _VECTOR_COPIES * dimension
    return _TEXT_BYTES_PER_CHARACTER * collection.passages.characters + per_passage * len(collection.passages)


def check_memory(limit: int | None, collection: Collection, encoder: Encoder, engine: Engine) -> int | None:
    """Return the bytes that this process may hold; None if there is no limit.

    Raises
    ------
    SearchError
        The limit is too low; says how much is needed.
    """
    if limit is None:
        return None
    held = resident_memory()
    queries = 3 * 4 * encoder.info.dimension * len(collection.queries)
    # A worker loads the model as this process has; while workers encode, this process does not.
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
            f"--memory {limit / 1e6:,.0f} MB is too low: the program with the model and {collection.name}'s queries "
            f"holds {held / 1e6:,.0f} MB already{workers}; it needs at least {needed / 1e6:,.0f} MB, and more if the "
            "model takes much for a batch."
        )
    return limit


def ranking_memory(limit: int | None) -> int:
    """Return the bytes that ranking may take."""
    if limit is not None:
        return limit - resident_memory() - _SLACK
    free = available_memory()
    return MEMORY_LIMIT if free is None else max(_SEARCH_BYTES, min(MEMORY_LIMIT, free // 2))
