"""Load data sets of ir_datasets. Several, such as the languages of mMARCO, become one collection with a common pool.

MacAvaney et al. 2021, arXiv 2103.02280. Texts are the default texts of ir_datasets for documents and queries.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any

from babelrank.data.collection import Collection
from babelrank.data.language_facts import UNKNOWN_LANGUAGE, read_language
from babelrank.data.spec import IR_DATASETS, Spec
from babelrank.data.subsets import Subset, pool_subsets
from babelrank.errors import DataError, described, requires

_CODES = {"dt": "nl"}  # ir_datasets' code for Dutch in mMARCO
_KINDS = {"queries": "queries", "qrels": "qrels", "corpus": "docs"}


@dataclass(frozen=True)
class Entities:
    """Documents, queries or qrels of a data set, as records. Another process loads the data set again.

    Attributes
    ----------
    dataset
        Id in ir_datasets.
    kind
        One of ``docs``, ``queries`` and ``qrels``.
    """

    dataset: str
    kind: str

    @property
    def name(self) -> str:
        """See `folders.Records`."""
        return f"{IR_DATASETS}:{self.dataset} ({self.kind})"

    def records(self, skip: int = 0, columns: tuple[str, ...] = ()) -> Iterator[tuple[int, Any]]:
        """See `folders.Records`. The first use downloads the files.

        Raises
        ------
        DataError
            ir_datasets cannot download or read them.
        """
        try:
            found = islice(getattr(_open(self.dataset), f"{self.kind}_iter")(), skip, None)
            for place, record in enumerate(map(_RECORDS[self.kind], found), start=skip + 1):
                yield place, {name: record[name] for name in record if not columns or name in columns}
        except DataError:
            raise
        except Exception as error:  # of the network, of the disk, of many formats
            raise DataError(f"{self.name}: cannot be read ({described(error)}).") from error

    def count(self) -> int:
        """See `folders.Records`."""
        return sum(1 for _ in self.records())


def load_ir_datasets(spec: Spec, on_progress: Callable[[int], None] = lambda _: None) -> Collection:
    """Load data sets of ir_datasets.

    Parameters
    ----------
    spec
        Its subsets are the ids of data sets with queries, qrels and documents. Its language applies to texts whose
        language ir_datasets does not know.
    on_progress
        Called now and then with the number of documents read.

    Raises
    ------
    DataError
        ir_datasets is not installed, or a data set is unknown, lacks a part, or cannot be read; see `pool_subsets`.
    """
    subsets = [_subset(each, next(iter(spec.languages), UNKNOWN_LANGUAGE)) for each in spec.subsets]
    is_beir = all(each.startswith("beir/") for each in spec.subsets)
    return pool_subsets(str(spec), IR_DATASETS, subsets, leave_out_self=is_beir, on_progress=on_progress)


def _subset(name: str, usual: str) -> Subset:
    dataset = _open(name)
    for kind in _KINDS.values():
        if not hasattr(dataset, f"{kind}_iter"):
            raise DataError(f"{IR_DATASETS}:{name}: has no {kind}; name a subset that has them.")
    asked, found = (_language(name, getattr(dataset, f"{kind}_lang")(), usual) for kind in ("queries", "docs"))
    langs = (asked,) if asked == found else (asked, found)
    return Subset(name, langs, lambda part: (Entities(name, _KINDS[part]),), is_ordered=True)


def _language(name: str, code: str | None, usual: str) -> str:
    try:
        return read_language(_CODES.get(code, code)) if code else usual
    except ValueError as error:
        raise DataError(f"{IR_DATASETS}:{name}: {error}.") from error


def _open(name: str) -> Any:
    with requires("ir-datasets", DataError):
        import ir_datasets
    try:
        return ir_datasets.load(name)
    except KeyError as error:
        close = get_close_matches(name, ir_datasets.registry, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise DataError(
            f"{IR_DATASETS}: unknown data set {name!r}.{hint} https://ir-datasets.com lists all."
        ) from error


def _text(entity: Any) -> str:
    """Return the text of a document or query: its default text, else its ``text``, else all its fields."""
    if hasattr(entity, "default_text"):
        return str(entity.default_text())
    return (
        str(entity.text) if hasattr(entity, "text") else " ".join(each for each in entity[1:] if isinstance(each, str))
    )


_RECORDS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "docs": lambda doc: {"id": doc.doc_id, "text": _text(doc)},
    "queries": lambda query: {"id": query.query_id, "text": _text(query)},
    "qrels": lambda qrel: {"query-id": qrel.query_id, "corpus-id": qrel.doc_id, "score": qrel.relevance},
}
