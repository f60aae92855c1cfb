"""Find examples that contain a text of a test collection. They are not used for training or validation.

Texts are compared after `texts.normalise`.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from babelrank.checkpoints import all_parts, read_training_metadata
from babelrank.data.collection import Collection
from babelrank.errors import BabelrankError
from babelrank.training.examples import ExampleSet, KnownTexts
from babelrank.training.indexing import open_examples
from babelrank.training.jsonl_rows import JsonlRows
from babelrank.training.membership import RowSet
from babelrank.training.texts import normalise


@dataclass(frozen=True)
class Contamination:
    """The overlap of a data set with test collections.

    Attributes
    ----------
    examples
        Numbers of the examples that have a text of a collection, ascending; int64.
    ids
        Identifiers of the first few of them.
    by_collection
        Collection -> number of examples that share a text with it.
    """

    examples: np.ndarray
    ids: tuple[str, ...]
    by_collection: Mapping[str, int]

    def __str__(self) -> str:
        shared = (
            ", ".join(f"{count} with {name}" for name, count in self.by_collection.items()) or "no collection named"
        )
        return f"shares texts: {shared}" + (f"; dropped: {', '.join(self.ids)} …" if self.ids else "")


def texts_of_collection(collection: Collection) -> KnownTexts:
    """Return the queries, the passages and the lines of passages of a collection, except those of only punctuation."""
    texts = [text for table in (collection.queries, collection.passages.frame) for text in table["text"]]
    texts += [line for text in texts if "\n" in text for line in text.split("\n")]
    texts += [text for versions in collection.variants.values() for text in versions.values()]
    return KnownTexts.of(collection.name, [text for text in texts if normalise(text)])


def find_contamination(examples: ExampleSet, collections: Sequence[str]) -> Contamination:
    """Return the examples that have a text of a collection in any language. Hard negatives count, too.

    Parameters
    ----------
    examples
        Indexed with the texts of the collections as known texts.
    collections
        Names of the collections.
    """
    shared = {name: examples.index.shared[name] for name in collections}
    numbers = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *shared.values()]))
    ids = tuple(examples.name_some(numbers.tolist()))
    return Contamination(numbers, ids, {name: len(found) for name, found in shared.items()})


def count_shared(folder: Path, collections: Sequence[Collection]) -> dict[str, tuple[int, int]]:
    """Count the examples that a checkpoint was trained on and that have a text of a collection.

    Returns
    -------
    dict
        By name of the collection: the number of examples that share a text, and the number of all. Collections with
        passages on disk are left out. Empty if this is no checkpoint of `babelrank train`, or if not all files that it
        was trained on are here, with the contents that it records.
    """
    known = [texts_of_collection(each) for each in collections if each.passages.in_memory]
    shared, total = dict.fromkeys([each.name for each in known], 0), 0
    metadata = read_training_metadata(folder)
    with suppress(BabelrankError, KeyError, TypeError, ValueError, AttributeError):
        sources = {
            recorded["fingerprint"]: entry
            for part in all_parts(metadata or {})
            for entry, recorded in zip(part["config"]["examples"], part["examples"], strict=True)
        }
        for fingerprint, entry in sources.items():
            # Anyone may have made the checkpoint, so only an ordinary file with the recorded contents is read.
            path = Path(entry["path"])
            if path.suffix != ".jsonl" or not path.is_file():
                return {}
            rows = JsonlRows(path, entry["languages"])
            if rows.fingerprint != fingerprint:
                return {}
            examples = open_examples(rows, known)
            total += len(examples)
            for name, count in find_contamination(examples, list(shared)).by_collection.items():
                shared[name] += count
        return {name: (count, total) for name, count in shared.items()}
    return {}


def without(sets: Mapping[str, RowSet], numbers: Iterable[int], size: int) -> dict[str, RowSet]:
    """Return sets of examples, by language, without those of `numbers`."""
    dropped = np.zeros(size, dtype=bool)
    dropped[list(numbers)] = True
    removed = RowSet.of(dropped)
    return {lang: members - removed for lang, members in sets.items()}
