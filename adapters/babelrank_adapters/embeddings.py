"""Vectors made with other tools: a folder with a collection's texts and a vector for each.

`babelrank data export COLLECTION FOLDER` writes ``queries.jsonl`` and ``passages.jsonl``. Put the vectors next to them,
in one of three formats:

    queries.npy          shape (texts, dimension); ids in queries.ids.txt, one per line in the order of the rows
    queries.safetensors  one tensor of that shape; ids likewise
    queries.parquet      columns `id` (string) and `vector` (list of floats)

For several collections, use one folder per collection inside the model's folder. Vectors are float16, float32 or
float64, in any order; ids assign them to texts.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from babelrank.data.export import SIDES, read_texts
from babelrank.encoding.protocol import PROMPT_NAMES, Adapter, EncoderInfo, EncoderOptions, Similarity
from babelrank.encoding.vectors import nearly_equal
from babelrank.errors import DataError, EncoderError, described, listed

# Maximum relative difference between two vectors of the same text. Batching and half precision cause less; another
# prompt or text causes more.
_SAME = 0.02


@dataclass(frozen=True)
class StoredVectors:
    """The vectors of one role, by text.

    Attributes
    ----------
    rows
        Row of each text.
    vectors
        Floating point, shape (rows, dimension).
    """

    rows: dict[str, int]
    vectors: np.ndarray

    def look_up(self, texts: Sequence[str], folder: Path) -> np.ndarray:
        """Return float32 vectors, one per text."""
        missing = [text for text in texts if text not in self.rows]
        if missing:
            raise EncoderError(
                f"{folder}: no vector for {len(missing)} of {len(texts)} texts, the first of them {missing[0][:80]!r}. "
                "Export the texts of this collection with `babelrank data export`."
            )
        found: np.ndarray = self.vectors[[self.rows[text] for text in texts]].astype(np.float32, copy=False)
        return found


class EmbeddingsEncoder:
    """Look up the vectors of texts. Only texts of the exported collections are known."""

    def __init__(self, folder: Path, options: EncoderOptions) -> None:
        options.reject_unsupported(
            "embeddings", "query_prompt", "document_prompt", *PROMPT_NAMES, "max_length", "dtype", "device", "revision"
        )
        options.read_options("embeddings", {})
        self._folder = folder
        self._queries, self._passages = (_read_side(_collection_folders(folder), side) for side in SIDES)
        dimension, other = self._queries.vectors.shape[1], self._passages.vectors.shape[1]
        if dimension != other:
            raise EncoderError(f"{folder}: queries have {dimension} dimensions, passages {other}.")
        self.info = EncoderInfo(
            name=folder.resolve().name,
            adapter="embeddings",
            fingerprint=_digest(folder),
            dimension=dimension,
            similarity=options.similarity or Similarity.COSINE,
        )

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), dimension)."""
        return self._queries.look_up(texts, self._folder)

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), dimension)."""
        return self._passages.look_up(texts, self._folder)


def _collection_folders(folder: Path) -> list[Path]:
    """Return the folders with exported texts: this one, or those inside it."""
    return [
        candidate
        for candidate in (folder, *sorted(path for path in folder.iterdir() if path.is_dir()))
        if all((candidate / f"{side}.jsonl").is_file() for side in SIDES)
    ]


def _read_side(folders: Sequence[Path], side: str) -> StoredVectors:
    """Read the vectors of one role from every folder and join them."""
    texts: list[tuple[str, str]] = []  # (origin, text) of each row
    parts: list[np.ndarray] = []
    for folder in folders:
        try:
            exported = read_texts(folder / f"{side}.jsonl")
        except DataError as error:
            raise EncoderError(f"{error} `babelrank data export` writes it.") from error
        path, ids, vectors = _read_vectors(folder, side)
        _check_vectors(path, ids, vectors)
        _check_ids(path, ids, exported)
        if parts and vectors.shape[1] != parts[0].shape[1]:
            raise EncoderError(
                f"{path}: vectors have {vectors.shape[1]} dimensions, earlier ones have {parts[0].shape[1]}."
            )
        texts += [(f"{path}: {name!r}", exported[name]) for name in ids]
        parts.append(vectors)
    vectors = np.concatenate(parts)
    rows: dict[str, int] = {}
    for row, (origin, text) in enumerate(texts):
        first = rows.setdefault(text, row)
        if first != row and not nearly_equal(vectors[first], vectors[row], _SAME):
            raise EncoderError(f"{origin} and {texts[first][0]} have the same text but different vectors.")
    return StoredVectors(rows, vectors)


def _read_vectors(folder: Path, side: str) -> tuple[Path, list[str], np.ndarray]:
    """Return the file with the vectors of one side, their ids, and the vectors."""
    found = [path for suffix in _READERS if (path := folder / f"{side}{suffix}").is_file()]
    if len(found) != 1:
        there = " and ".join(path.name for path in found) or "no vectors"
        raise EncoderError(f"{folder}: {there}; expected one of {', '.join(side + suffix for suffix in _READERS)}.")
    path = found[0]
    try:
        ids, vectors = _READERS[path.suffix](path)
    except EncoderError:
        raise
    except Exception as error:  # damaged files: several libraries' own errors
        raise EncoderError(f"{path}: cannot be read ({described(error)}).") from error
    return path, ids, vectors


def _read_npy(path: Path) -> tuple[list[str], np.ndarray]:
    return _read_ids(path), np.load(path, allow_pickle=False)


def _read_safetensors(path: Path) -> tuple[list[str], np.ndarray]:
    from safetensors.numpy import load_file

    tensors = load_file(path)
    if len(tensors) != 1:
        raise EncoderError(f"{path}: has {len(tensors)} tensors ({listed(tensors)}), expected one.")
    return _read_ids(path), next(iter(tensors.values()))


def _read_parquet(path: Path) -> tuple[list[str], np.ndarray]:
    from pyarrow import compute, parquet

    table = parquet.read_table(path)
    if not {"id", "vector"} <= set(table.column_names):
        raise EncoderError(f"{path}: has the columns {listed(table.column_names)}, expected id and vector.")
    vectors = table["vector"].combine_chunks()
    sizes = compute.list_value_length(vectors).to_pylist()
    if len(set(sizes)) != 1 or None in sizes:
        raise EncoderError(f"{path}: the vectors do not all have the same length.")
    flat = compute.list_flatten(vectors).to_numpy(zero_copy_only=False)
    return [str(name) for name in table["id"].to_pylist()], flat.reshape(len(vectors), sizes[0])


_READERS: dict[str, Callable[[Path], tuple[list[str], np.ndarray]]] = {
    ".npy": _read_npy,
    ".safetensors": _read_safetensors,
    ".parquet": _read_parquet,
}


def _read_ids(path: Path) -> list[str]:
    listed = path.with_suffix(".ids.txt")
    if not listed.is_file():
        raise EncoderError(f"{path}: ids are missing; expected them in {listed.name}, one per line.")
    return listed.read_text(encoding="utf-8").rstrip("\n").split("\n")


def _check_vectors(path: Path, ids: Sequence[str], vectors: np.ndarray) -> None:
    if not np.issubdtype(vectors.dtype, np.floating):
        raise EncoderError(f"{path}: has {vectors.dtype} values, expected floating point.")
    if vectors.ndim != 2 or not vectors.size:
        raise EncoderError(f"{path}: has shape {vectors.shape}, expected (texts, dimension).")
    if len(vectors) != len(ids):
        raise EncoderError(f"{path}: {len(vectors)} vectors for {len(ids)} ids.")
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist()
    if broken:
        raise EncoderError(f"{path}: NaN or infinity in the vectors of {listed(ids[row] for row in broken)}.")


def _check_ids(path: Path, ids: Sequence[str], exported: dict[str, str]) -> None:
    problems = {
        "repeated": [name for name, times in Counter(ids).items() if times > 1],
        "without a vector": sorted(exported.keys() - set(ids)),
        f"not in {path.stem}.jsonl": sorted(set(ids) - exported.keys()),
    }
    for problem, names in problems.items():
        if names:
            raise EncoderError(f"{path}: {len(names)} ids {problem}: {listed(names)}.")


def _digest(folder: Path) -> str:
    """Return the SHA-256 (hex) of the files that are read: relative paths and contents."""
    digest = hashlib.sha256()
    suffixes = (".jsonl", ".ids.txt", *_READERS)
    for place in _collection_folders(folder):
        for path in sorted(place / f"{side}{suffix}" for side in SIDES for suffix in suffixes):
            if path.is_file():
                with path.open("rb") as handle:
                    content = hashlib.file_digest(handle, "sha256").hexdigest()
                digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _folder(model: str) -> Path | None:
    """Return the folder of that name if it holds exported texts."""
    try:
        folder = Path(model).expanduser()
        return folder if folder.is_dir() and _collection_folders(folder) else None
    except (OSError, RuntimeError):  # a name too long for a folder, no permission, or an unknown user's home
        return None


def _load(model: str, options: EncoderOptions) -> EmbeddingsEncoder:
    folder = _folder(model)
    if folder is None:
        raise EncoderError(
            f"{model}: not a folder with queries.jsonl and passages.jsonl, which `babelrank data export` writes."
        )
    return EmbeddingsEncoder(folder, options)


ADAPTER = Adapter(
    name="embeddings",
    models="folder with vectors for the texts of `babelrank data export`",
    load=_load,
    recognises=lambda model, _: _folder(model) is not None,
)
