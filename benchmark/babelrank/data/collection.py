"""The collection that every loader returns and every later step reads: queries, passages and qrels by language.

In: tables of queries and judgements, and passages. Out: a `Collection`, in which everything fits together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain

import numpy as np
import pandas as pd

from babelrank.data.frames import check_frames
from babelrank.data.joining import DROPPED, Joined, join, looked_for, query_names
from babelrank.data.language_facts import Spellings
from babelrank.data.parts import Parts
from babelrank.data.passages import PassageBlock
from babelrank.data.pool import MemoryPassages, Passages, StreamedPassages
from babelrank.data.survey import survey, survey_block
from babelrank.errors import DataError

CANDIDATES = "passage"  # kind of candidates: passages as the collection defines them
_SHOWN_LANGUAGES = 12


@dataclass(frozen=True, eq=False)
class Collection:
    """A retrieval test collection in one or more languages.

    Attributes
    ----------
    name
        Specification, such as ``xquad-r:paragraph:de,en``. For a folder, only the folder's name, without its path.
    languages
        Codes of the languages of queries and passages, sorted.
    queries
        Columns ``lang``, ``id``, ``question`` (the id that translations share) and ``text``; one row per judged query.
        Rows are grouped by language, in the order of `languages`.
    qrels
        Columns ``query`` (row of `queries`), ``passage`` (position in `passages`), ``grade`` (int64, > 0),
        ``passage_id`` and ``passage_lang``; sorted by query, then language, then position.
    passages
        Passages in memory or on disk; texts are not deduplicated.
    candidates
        Kind of candidates: ``sentence``, ``sentence+context``, ``paragraph`` or ``passage``.
    sha256
        Digest of the content.
    source
        Source by which reports group collections: ``lareqa``, ``miracl``, ``beir``, ``local`` or ``frames``.
    notes
        Sentences on what was left out.
    self_matches
        Position of the passage that has the query's id and is left out of its results; −1 if there is none. int64,
        shape (queries,); None if nothing is left out. A relevant passage is never left out.
    unjudged
        Names of the queries without a relevant passage, which were dropped.
    missing
        Judgements that only trec_eval counts, see `with_missing`: columns ``lang``, ``id``, ``question``, ``text`` (of
        the query), ``passage_id`` and ``grade``; None if there are none.
    mismatch
        Why the qrels probably belong to other queries or passages: more than `joining.UNKNOWN_SHARE` of them name
        unknown ids. Empty for most collections.
    licence, description
        Licence and description of published collections; None if unknown.
    variants
        Other versions of queries: texts by name of the variant and row of `queries`; see `variants`.
    """

    name: str
    languages: tuple[str, ...]
    queries: pd.DataFrame
    qrels: pd.DataFrame
    passages: Passages
    candidates: str
    sha256: str
    source: str
    notes: tuple[str, ...] = ()
    self_matches: np.ndarray | None = None
    unjudged: frozenset[str] = frozenset()
    missing: pd.DataFrame | None = None
    mismatch: str = ""
    licence: str | None = None
    description: str | None = None
    variants: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        several = len(self.languages) > _SHOWN_LANGUAGES
        languages = f"{len(self.languages)} languages" if several else ", ".join(self.languages)
        return (
            f"Collection {self.name}: {len(self.queries):,} queries, {len(self.passages):,} passages, "
            f"{len(self.qrels):,} qrels in {languages}"
        )

    @classmethod
    def from_frames(
        cls,
        queries: pd.DataFrame,
        passages: pd.DataFrame,
        qrels: pd.DataFrame | None = None,
        *,
        name: str = "frames",
        source: str = "frames",
    ) -> "Collection":
        """Make a collection from three tables. Ids may be strings or whole numbers.

        Parameters
        ----------
        queries
            Columns ``id``, ``lang``, ``text``, and optionally ``question``: the id that translations share.
        passages
            Columns ``id``, ``lang``, ``text``.
        qrels
            Columns ``query_id``, ``passage_id``, and optionally ``grade`` (whole, 1 by default; 0 is not relevant).
            Without them, only `diagnose` can use the collection.
        name, source
            See `Collection`.

        Raises
        ------
        DataError
            A column is missing, a table is empty, an id is repeated or unknown, or a value has the wrong type.

        Examples
        --------
        >>> import pandas as pd
        >>> queries = pd.DataFrame({"id": ["q1"], "lang": ["de"], "text": ["Wer lief?"]})
        >>> passages = pd.DataFrame({"id": [1, 2], "lang": ["de", "en"], "text": ["Ann lief.", "Bob sat."]})
        >>> qrels = pd.DataFrame({"query_id": ["q1"], "passage_id": [1]})
        >>> Collection.from_frames(queries, passages, qrels).pool_sizes
        {'de': 1, 'en': 1}
        """
        spellings = Spellings()
        tables = check_frames(name, queries, passages, qrels, spellings)
        return join_tables(name, source, *tables, notes=list(spellings.notes()))

    def require_qrels(self) -> "Collection":
        """Return the collection if it has qrels.

        Raises
        ------
        DataError
            The collection has no qrels.
        """
        if self.qrels.empty:
            raise DataError(f"{self.name}: has no qrels. Only `babelrank diagnose` works without them.")
        return self

    @property
    def pool_sizes(self) -> dict[str, int]:
        """Number of passages by language."""
        counts = np.bincount(self.passages.lang_codes, minlength=len(self.languages))
        return dict(zip(self.languages, counts.tolist(), strict=True))

    @property
    def query_counts(self) -> dict[str, int]:
        """Number of queries by language."""
        counts = self.queries["lang"].value_counts()
        return {lang: int(counts.get(lang, 0)) for lang in self.languages}

    @cached_property
    def labels(self) -> np.ndarray:
        """Label of each query in runs of babelrank, see `query_labels`: str objects, shape (queries,)."""
        return query_labels(self.queries["lang"], self.queries["question"], self.languages)

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The row of each query by every name that a run may use: its label, LANG:ID, or its id if that is unique.

        If a name is both a label and the id of another query, it is read as the label.
        """
        return self._rows_by_id | {label: row for row, label in enumerate(self.labels)}

    @cached_property
    def _rows_by_id(self) -> dict[str, int]:
        rows: dict[str, int] = {}
        for column in ("question", "id"):
            langs, ids = self.queries["lang"], self.queries[column]
            rows |= {f"{lang}:{name}": row for row, (lang, name) in enumerate(zip(langs, ids, strict=True))}
            alone = ~ids.duplicated(keep=False).to_numpy()
            rows |= {name: row for row, (name, is_alone) in enumerate(zip(ids, alone, strict=True)) if is_alone}
        return rows

    def find_queries(self, names: np.ndarray) -> np.ndarray:
        """Return the row of each query that a run names, −1 if unknown: int64, shape (names,).

        If a run has any name that is not a label, its names are read as ids first.
        """
        labels = frozenset(self.labels)
        by_label = all(name in labels for name in frozenset(names) if name in self.rows)
        rows = self.rows if by_label else {**self.rows, **self._rows_by_id}
        found: np.ndarray = np.array([rows.get(name, -1) for name in names], dtype=np.int64)
        return found

    def with_passages_in_memory(self) -> "Collection":
        """Return the same collection with its passages in memory, at the same positions."""
        if self.passages.in_memory:
            return self
        return replace(self, passages=MemoryPassages(self.passages.frame, self.languages))

    def with_missing(self) -> "Collection":
        """Return the collection with its qrels as trec_eval counts them.

        Relevant passages that the corpus lacks count as not retrieved, unless a run names them. Each judged query
        without a relevant passage gets one unnamed passage that counts as not retrieved. The position of these passages
        is −1, and their language is the query's.
        """
        if self.missing is None:
            return self
        columns = list(self.queries.columns)
        queries = pd.concat([self.queries, self.missing[columns]]).drop_duplicates("id")
        queries = queries.sort_values("lang", kind="stable", ignore_index=True)
        rows = pd.Series(np.arange(len(queries)), index=queries["id"])
        moved = rows.loc[self.queries["id"]].to_numpy()
        added = self.missing.rename(columns={"lang": "passage_lang"})
        added = added.assign(query=rows.loc[self.missing["id"]].to_numpy(), passage=-1)
        qrels = pd.concat([self.qrels.assign(query=moved[self.qrels["query"]]), added[self.qrels.columns]])
        matches = None
        if self.self_matches is not None:
            matches = np.full(len(queries), -1)
            matches[moved] = self.self_matches
        nothing = int((self.missing["passage_id"] == "").sum())
        counted = (
            (len(self.missing) - nothing, "relevant passages are not in the corpus; they count as not retrieved"),
            (nothing, "judged queries have no relevant passage; they count as 0"),
        )
        kept = (note for note in self.notes if not note.endswith(DROPPED))
        return replace(
            self,
            notes=(*kept, *(f"{count:,} {text}" for count, text in counted if count)),
            queries=queries,
            qrels=qrels.sort_values(["query", "passage_lang", "passage"], ignore_index=True),
            self_matches=matches,
            unjudged=self.unjudged - frozenset(chain.from_iterable(query_names(queries))),
            missing=None,
        )


def query_labels(langs: pd.Series, questions: pd.Series, languages: Sequence[str]) -> np.ndarray:
    """Return the labels of queries in runs: the question, or ``LANG:QUESTION`` if there are several languages."""
    labels: np.ndarray = (questions if len(languages) == 1 else langs + ":" + questions).to_numpy(object)
    return labels


def judge(passages: Passages, query: np.ndarray, passage: np.ndarray, grade: np.ndarray | int) -> pd.DataFrame:
    """Return the qrels of a `Collection`, from rows of queries and positions of passages."""
    table = pd.DataFrame({"query": query, "passage": passage, "grade": grade}).astype(np.int64)
    order = np.lexsort((table["passage"], passages.lang_codes[table["passage"]], table["query"]))
    table = table.iloc[order].reset_index(drop=True)
    for column in ("id", "lang"):
        table[f"passage_{column}"] = passages.frame[column].array.take(table["passage"])
    return table


def assemble(
    name: str,
    source: str,
    parts: Parts,
    *,
    leave_out_self: bool = False,
    notes: Sequence[str] = (),
    on_progress: Callable[[int], None] = lambda _: None,
) -> Collection:
    """Combine queries, qrels and passages on disk into a collection; reads all passages once.

    Parameters
    ----------
    source
        See `Collection`.
    parts
        Queries with columns ``lang``, ``id`` (unique), ``question``, ``text``; qrels with columns
        ``query_id``, ``passage_id``, ``grade``, or None; and passages.
    leave_out_self
        Whether the passage that has a query's id is left out of its results.
    notes
        Notes of the readers.
    on_progress
        Called now and then with the number of passages read.

    Raises
    ------
    DataError
        A judged query has no text, two queries of one language have the same question, no query has a relevant passage,
        or the passages cannot be read (see `survey`).
    """
    queries, qrels, passages = parts.queries, parts.qrels, parts.passages
    surveyed = survey(passages, looked_for(queries, qrels), on_progress=on_progress)
    counted = replace(passages, counts=surveyed.counts, repeats=surveyed.repeats)

    def stream(languages: tuple[str, ...]) -> StreamedPassages:
        codes = np.searchsorted(languages, list(surveyed.pool_sizes)).astype(np.uint16)
        alike = np.broadcast_to(codes[:1], surveyed.count)  # takes no memory
        codes = codes[surveyed.lang_codes] if len(codes) > 1 else alike
        return StreamedPassages(counted, codes, surveyed.characters, surveyed.spaced_id)

    notes = [*notes, *passages.spellings.notes()]
    joined = join(name, queries, qrels, surveyed, leave_out_self=leave_out_self)
    return _make(name, source, joined, stream(joined.languages), notes)


def join_tables(
    name: str,
    source: str,
    queries: pd.DataFrame,
    passages: pd.DataFrame,
    qrels: pd.DataFrame | None,
    *,
    leave_out_self: bool = False,
    notes: Sequence[str] = (),
) -> Collection:
    """Combine the tables that `check_frames` returns; see `assemble` for passages on disk."""
    block = PassageBlock(0, *(passages[column].tolist() for column in ("id", "lang", "text")))
    surveyed = survey_block(block, looked_for(queries, qrels))
    joined = join(name, queries, qrels, surveyed, leave_out_self=leave_out_self)
    return _make(name, source, joined, MemoryPassages(passages, joined.languages), notes)


def _make(name: str, source: str, joined: Joined, passages: Passages, notes: Sequence[str]) -> Collection:
    """Return a collection. The readers' `notes` come before those of joining."""
    parts = vars(joined) | {"notes": (*notes, *joined.notes)}
    return Collection(name=name, source=source, passages=passages, candidates=CANDIDATES, **parts)
