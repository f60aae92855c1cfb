"""Remember what a model said of itself and of texts, so that it is loaded again only to encode.

A memory is a file in the store, named by a digest of all that decides its content: the model's files, the options, the
code that reads them, and the installed packages.
"""

import hashlib
import inspect
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import xxhash

import babelrank
from babelrank.encoding.model_files import look_for_model
from babelrank.encoding.protocol import (
    Adapter,
    Encoder,
    EncoderInfo,
    EncoderOptions,
    Role,
    TokenCounts,
    Tokenizing,
    Truncating,
)
from babelrank.encoding.registry import choose_adapter, load_with
from babelrank.encoding.store import text_key
from babelrank.encoding.vectors import Kind, Vectors
from babelrank.errors import EncoderError
from babelrank.files import atomic_write

_FOLDER = "models"  # in the store


def load_known(
    model: str,
    options: EncoderOptions,
    store: Path,
    *,
    adapter: str | None = None,
    on_load: Callable[[], None] = lambda: None,
) -> Encoder:
    """Return an encoder like `load_encoder`; a model that was loaded before is loaded when it must encode.

    Parameters
    ----------
    model, options, adapter
        See `load_encoder`.
    store
        Folder of the store of representations.
    on_load
        Called before the model is loaded.

    Raises
    ------
    EncoderError
        As for `load_encoder`; for a model that was loaded before, when it must encode.
    """
    chosen = choose_adapter(model, options, adapter)

    def load() -> Encoder:
        on_load()
        return load_with(chosen, model, options)

    key = _key(chosen, model, options)
    if key is None:
        return load()
    path = store / _FOLDER / f"{key}.json"
    if memory := _Memory.read(path):
        return KnownEncoder(memory, load)
    encoder = load()
    if not (isinstance(encoder, Truncating) and isinstance(encoder, Tokenizing)):
        return encoder
    memory = _Memory(path, encoder.info)
    memory.write()
    return KnownEncoder(memory, load, encoder)


def loaded(encoder: Encoder) -> Encoder:
    """Return an encoder whose model is in memory."""
    return encoder.load() if isinstance(encoder, KnownEncoder) else encoder


class KnownEncoder:
    """An encoder that is described from memory, and whose model is loaded when it must encode or count.

    Attributes
    ----------
    seconds
        Time that loading took, if the model was loaded only to encode.
    """

    def __init__(self, memory: "_Memory", load: Callable[[], Encoder], encoder: Encoder | None = None) -> None:
        self.seconds = 0.0
        self._memory = memory
        self._load = load
        self._encoder = encoder

    @property
    def info(self) -> EncoderInfo:
        """Identity and settings."""
        return self._memory.info if self._encoder is None else self._encoder.info

    def load(self) -> Encoder:
        """Return the encoder itself, and load it if necessary.

        Raises
        ------
        EncoderError
            It cannot be loaded, or its files were changed meanwhile.
        """
        if self._encoder is None:
            began = time.perf_counter()
            encoder = self._load()
            self.seconds = time.perf_counter() - began
            if encoder.info.fingerprint != self.info.fingerprint:
                raise EncoderError(f"{self.info.name}: the files of the model were changed during the evaluation.")
            self._encoder = encoder
        return self._encoder

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Return one representation per text."""
        return self.load().encode_query(texts)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        """Return one representation per text."""
        return self.load().encode_document(texts)

    def count_truncated(self, texts: Sequence[str], role: Role) -> int:
        """Return how many texts are cut at the maximum length."""
        return int(self._recall(f"truncated {role.value}", texts, lambda known: known.count_truncated(texts, role)))

    def count_tokens(self, texts: Sequence[str]) -> TokenCounts | None:
        """Return the number of tokens of each text; None if the model has no tokenizer."""

        def count(known: Tokenizing) -> dict[str, Any] | None:
            counts = known.count_tokens(texts)
            lists = {} if counts is None else {"tokens": counts.tokens, "unknown": counts.unknown}
            return {name: None if each is None else list(map(int, each)) for name, each in lists.items()} or None

        counts = self._recall("tokens", texts, count)
        return None if counts is None else TokenCounts(**counts)

    def _recall(self, what: str, texts: Sequence[str], count: Callable[[Any], Any]) -> Any:
        """Return what was counted in these texts before, or count it."""
        key = f"{what} {xxhash.xxh3_128_hexdigest(b''.join(map(text_key, texts)))}"
        if key not in self._memory.counts:
            self._memory.counts[key] = count(self.load())
            self._memory.write()
        return self._memory.counts[key]


@dataclass
class _Memory:
    """A description and counts, by what was counted and in which texts."""

    path: Path
    info: EncoderInfo
    counts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "_Memory | None":
        """Return the content of a file; None if it is missing or damaged."""
        with suppress(OSError):
            checksum, _, content = path.read_bytes().partition(b"\n")
            if checksum == _checksum(content):
                document = json.loads(content)
                info = EncoderInfo(**document["info"] | {"kind": Kind(document["info"]["kind"])})
                return cls(path, info, document["counts"])
        return None

    def write(self) -> None:
        """Write all to the file. Without space or permission, nothing is remembered."""
        content = json.dumps({"info": asdict(self.info), "counts": self.counts}).encode()
        with suppress(OSError):
            atomic_write(self.path, b"\n".join((_checksum(content), content)), flush=False)


def _checksum(content: bytes) -> bytes:
    return xxhash.xxh3_128_hexdigest(content).encode()


def _key(adapter: Adapter, model: str, options: EncoderOptions) -> str | None:
    """Return a digest of all that decides what a model says; None if that cannot be known without loading it."""
    files = look_for_model(model, options.revision) if adapter.from_files and not options.trust_remote_code else None
    if files is None:
        return None
    try:
        fingerprint = files.fingerprint
    except (OSError, EncoderError):  # loading says what is wrong
        return None
    given = vars(options) | {"options": dict(options.options), "batch_size": None}
    # The machine, as a model may choose the device.
    parts = [files.name, fingerprint, adapter.name, given, _digest_code(_sources(adapter)), platform.node()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _sources(adapter: Adapter) -> tuple[Path, ...]:
    """Return the files with the code of an adapter: its package, or its module if that is alone."""
    try:
        file = Path(inspect.getfile(adapter.load))
    except TypeError:  # no function
        return ()
    return tuple(sorted(file.parent.glob("*.py"))) if (file.parent / "__init__.py").exists() else (file,)


@cache
def _digest_code(adapter: tuple[Path, ...]) -> str:
    """Return a digest of the code of babelrank and of an adapter, and of the names of installed packages."""
    own = sorted(Path(babelrank.__file__).parent.rglob("*.py"))
    sources = [path.read_bytes() for path in (*own, *adapter)]
    packages = sorted(path.name for place in sys.path for path in Path(place).glob("*.dist-info"))
    return hashlib.sha256(b"\0".join([*sources, *map(str.encode, packages), sys.version.encode()])).hexdigest()
