"""Encode streamed passages into shards of vectors, without holding all texts or all vectors in memory.

The content of a shard depends only on the encoder and the shard's passages. Shards are cut by the size of the corpus
alone, and windows and batches of texts by the shard's content.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from babelrank.data.collection import Collection
from babelrank.data.passages import PassageBlock
from babelrank.data.pool import PassageReader
from babelrank.encoding.checks import Variety, encode_checked
from babelrank.encoding.known_models import loaded
from babelrank.encoding.protocol import Encoder, EncoderInfo, EncoderOptions, Role, Truncating
from babelrank.encoding.registry import load_encoder
from babelrank.encoding.representations import FIRST_CHUNK, least_chunk, length_class
from babelrank.encoding.shards import (
    Shard,
    ShardPlan,
    check_space,
    create_shards,
    find_missing,
    open_shards,
    plan_shards,
    read_plan,
    write_shard,
)
from babelrank.encoding.store import describe_entry, entry_folder, entry_identity
from babelrank.encoding.vectors import Kind
from babelrank.engines.protocol import Engine, Job, OpenedJob
from babelrank.errors import DataError, EncoderError, EngineError
from babelrank.files import show_size

_READ = 256  # passages per read; shards begin at multiples of it
# A worker that dies loses one shard, so a shard should take minutes at most. There should be several shards for each of
# many workers, but not many more files than that.
_SHARD_ROWS = 16_384
_SHARDS = 32
# Number of texts that are sorted by length together, so batches hold texts of similar length.
_WINDOW_TEXTS = 4096
_WINDOW_CHARACTERS = 4 << 20
_WINDOW_BYTES = 64 * 2**20  # of a window in memory, for the largest characters, with Python's overhead
_NEAR = 8  # shards; to reach one at most this far ahead, reading on is faster than opening the file again
_DISTINCT, _TRUNCATED = "texts", "truncated"  # metadata of a shard


@dataclass(frozen=True)
class EncoderSource:
    """How any process loads the same encoder.

    Attributes
    ----------
    model, options, adapter
        See `load_encoder`.
    fingerprint
        Fingerprint of the encoder that was loaded first. Other processes must load the same one.
    folder
        Working directory, to which names of folders and modules may be relative.
    """

    model: str
    options: EncoderOptions
    adapter: str | None
    fingerprint: str
    folder: Path

    def load(self) -> Encoder:
        """Load the encoder.

        Raises
        ------
        EncoderError
            As for `load_encoder`; or another model is found here.
        """
        with chdir(self.folder if self.folder.is_dir() else Path.cwd()):
            encoder = load_encoder(self.model, self.options, adapter=self.adapter)
        if encoder.info.fingerprint != self.fingerprint:
            raise EncoderError(
                f"{self.model}: a worker finds another model ({encoder.info.fingerprint}) than the one that was "
                f"submitted ({self.fingerprint})."
            )
        return encoder


@dataclass(frozen=True)
class EncodedShard:
    """The cost of a shard: distinct texts that were encoded, and seconds inside the encoder."""

    texts: int
    seconds: float


@dataclass(frozen=True)
class EncodedCorpus:
    """Shards of all passages, and their cost.

    Attributes
    ----------
    shards
        Shards in order.
    texts
        Number of texts encoded in this run, without those that were on disk.
    seconds
        Time inside the encoder, of all workers together.
    truncated
        Share of the texts that are longer than the encoder reads; None if unknown. A text in two windows or two
        shards counts twice.
    """

    shards: list[Shard]
    texts: int
    seconds: float
    truncated: float | None


@dataclass(frozen=True)
class ShardEncoding:
    """The job that encodes shards. A task is the number of a shard.

    Attributes
    ----------
    encoder
        How to load the encoder; None if it cannot be loaded again.
    passages
        Passages of the whole corpus.
    folder
        Folder of the shards.
    uses_gpu
        Whether the encoder uses the first visible GPU.
    """

    encoder: EncoderSource | None
    passages: PassageReader
    folder: Path
    uses_gpu: bool = False

    def open(self) -> Callable[[int], EncodedShard]:
        """Load the encoder."""
        if self.encoder is None:
            raise EncoderError("this encoder cannot be loaded again.")
        return self.using(self.encoder.load())

    def using(
        self, encoder: Encoder, on_texts: Callable[[int], None] = lambda _: None
    ) -> Callable[[int], EncodedShard]:
        """Return a function that encodes a shard with a loaded encoder. `on_texts` receives each batch's passages."""
        plan, passages = read_plan(self.folder), _Passages(self.passages)

        def encode_shard(number: int) -> EncodedShard:
            start, stop = plan.bounds(number)
            vectors = np.empty((stop - start, plan.dimension), dtype=np.float32)
            done, distinct, truncated, seconds = 0, 0, 0, 0.0
            for texts in passages.windows(start, stop, _NEAR * plan.rows_per_shard):
                unique = list(dict.fromkeys(texts))
                seconds += _encode_window(encoder, texts, unique, vectors[done : done + len(texts)], on_texts)
                if isinstance(encoder, Truncating):
                    truncated += encoder.count_truncated(unique, Role.DOCUMENT)
                done, distinct = done + len(texts), distinct + len(unique)
            notes = {_DISTINCT: str(distinct)}
            if isinstance(encoder, Truncating):
                notes[_TRUNCATED] = str(truncated)
            write_shard(self.folder, number, vectors, notes)
            return EncodedShard(distinct, seconds)

        return encode_shard


def plan_corpus(collection: Collection, info: EncoderInfo) -> ShardPlan:
    """Cut a collection's passages into shards.

    Raises
    ------
    EncoderError
        The encoder's representations are not dense.
    """
    if info.kind is not Kind.DENSE:
        raise EncoderError(
            f"{info.name}: only dense vectors can be streamed, these are {info.kind}. Leave out --memory, --engine and "
            "--workers to evaluate the collection in memory."
        )
    identity = {**entry_identity(info, Role.DOCUMENT), "corpus": collection.sha256}
    rows = max(_READ, min(_SHARD_ROWS, len(collection.passages) // _SHARDS))
    return plan_shards(len(collection.passages), info.dimension, shard_rows=rows, multiple=_READ, identity=identity)


def encoding_bytes(plan: ShardPlan) -> int:
    """Return the maximum bytes that encoding takes in each process, without the model and its activations."""
    return 2 * plan.disk_bytes([0]) + _WINDOW_BYTES  # writing copies a shard


def encode_corpus(
    collection: Collection,
    encoder: Encoder,
    source: EncoderSource | None,
    store: Path,
    engine: Engine,
    *,
    on_passages: Callable[[int, int], None] = lambda *_: None,
    log: Callable[[str], None] = lambda _: None,
) -> EncodedCorpus:
    """Encode the passages of a collection into shards. Complete shards on disk are kept.

    Parameters
    ----------
    encoder
        Loaded encoder, used if the engine runs in this process.
    source
        How other processes load it; None if they cannot.
    store
        Folder of the store.
    on_passages
        Called with the number of finished passages and of all passages to encode.
    log
        Called with a line on the shards that were found on disk.

    Raises
    ------
    EncoderError
        The representations are not dense, the disk is full (checked before the work starts), or the encoder fails.
    EngineError
        See `Engine.run`; or the workers do not write to the folder that this process reads.
    """
    plan = plan_corpus(collection, encoder.info)
    folder = entry_folder(store.absolute(), plan.identity)
    create_shards(folder, plan)
    try:
        describe_entry(folder, encoder.info.name, plan.identity)
    except OSError as error:
        raise EncoderError(f"{folder}: vectors cannot be stored ({error.strerror}).") from error
    missing = find_missing(folder)
    needed = check_space(folder, missing)
    log(_describe_state(plan, missing, needed))
    total = sum(stop - start for start, stop in map(plan.bounds, missing))
    done, texts, seconds = 0, 0, 0.0

    def count(passages: int) -> None:
        nonlocal done
        done += passages
        on_passages(done, total)

    def add(number: int, shard: EncodedShard) -> None:
        nonlocal texts, seconds
        texts, seconds = texts + shard.texts, seconds + shard.seconds
        if elsewhere:
            start, stop = plan.bounds(number)
            count(stop - start)

    elsewhere = engine.processes > 0 or engine.spreads_search
    if elsewhere and source is None:
        raise EncoderError(
            f"{encoder.info.name}: other processes cannot load a Python object; use the name or folder of a model."
        )
    # A worker must see all GPUs that the user chose.
    uses_gpu = encoder.info.device.startswith("cuda") and source is not None and source.options.device in (None, "cuda")
    encoding = ShardEncoding(source, collection.passages.reader, folder, uses_gpu)
    if missing:
        job: Job[EncodedShard] = encoding if elsewhere else OpenedJob(encoding.using(loaded(encoder), count))
        count(0)
        engine.run(job, sorted(missing), add)
    if absent := find_missing(folder, verify=False):
        raise EngineError(
            f"{folder}: {len(absent)} of {plan.count} shards are missing after encoding. All workers must reach the "
            "store under the same path; set --store DIR to a shared folder."
        )
    shards = open_shards(folder, verify=False)
    return EncodedCorpus(shards, texts, seconds, _share_truncated(shards))


class _Passages:
    """Read texts from a position on. If the next position is near, reading continues there."""

    def __init__(self, source: PassageReader) -> None:
        self._source = source
        self._blocks: Iterator[PassageBlock] = iter(())
        self._position = -1

    def windows(self, start: int, stop: int, near: int) -> Iterator[list[str]]:
        """Yield the texts of passages `start` to `stop` in windows."""
        if self._position < 0 or not 0 <= start - self._position <= near:
            self._blocks, self._position = self._source.blocks(_READ, start // _READ), start
        window: list[str] = []
        characters = 0
        while self._position < stop:
            block = next(self._blocks, None)
            if block is None:
                raise DataError(f"the passages end at {self._position:,}; their files were changed meanwhile.")
            self._position += len(block)
            if block.start < start:
                continue
            window += block.texts
            characters += sum(map(len, block.texts))
            if len(window) >= _WINDOW_TEXTS or characters >= _WINDOW_CHARACTERS:
                yield window
                window, characters = [], 0
        if window:
            yield window


def _encode_window(
    encoder: Encoder, texts: list[str], unique: list[str], out: np.ndarray, on_texts: Callable[[int], None]
) -> float:
    """Fill `out` with the vectors of `texts`, encoding each distinct text once; return the seconds it took."""
    rows = {text: row for row, text in enumerate(unique)}
    row_of = np.array([rows[text] for text in texts])
    copies = np.bincount(row_of)
    vectors = np.empty((len(unique), out.shape[1]), dtype=np.float32)
    order = np.array(sorted(range(len(unique)), key=lambda row: length_class(unique[row]), reverse=True))
    seconds = 0.0
    variety = Variety(encoder.info)
    size = max(least_chunk(encoder), FIRST_CHUNK)
    for first in range(0, len(order), size):
        chunk = order[first : first + size]
        batch = [unique[row] for row in chunk]
        began = time.perf_counter()
        vectors[chunk] = np.asarray(encode_checked(encoder.encode_document, batch, encoder.info))
        variety.add(batch, vectors[chunk])
        seconds += time.perf_counter() - began
        on_texts(int(copies[chunk].sum()))
    variety.require()
    np.take(vectors, row_of, axis=0, out=out)
    return seconds


def _share_truncated(shards: list[Shard]) -> float | None:
    if any(_TRUNCATED not in shard.notes for shard in shards):
        return None
    return sum(int(shard.notes[_TRUNCATED]) for shard in shards) / sum(int(shard.notes[_DISTINCT]) for shard in shards)


def _describe_state(plan: ShardPlan, missing: dict[int, str], needed: int) -> str:
    broken = [number for number, state in missing.items() if state != "missing"]
    found = f"{plan.count - len(missing):,} of {plan.count:,} shards are on disk"
    again = f", {len(broken):,} damaged shards are encoded again" if broken else ""
    return f"{found}{again}; the others need {show_size(needed)} of disk"
