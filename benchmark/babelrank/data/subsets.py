"""Combine subsets of a data set, by language or pair of languages, into one collection with a pool of all languages.

In: queries, qrels and passages of each subset in MTEB's layout (Enevoldsen et al. 2025, arXiv 2502.13595). Subsets have
separate ids, and the texts of a language occur in each of its pairs. Out: a `Collection` with each text once.

Queries are the same if their language, id and text are equal. Passages are the same if their language and text are
equal, whatever their ids. A text that occurs twice in one subset stays two passages. If an id has two texts, ids are
prefixed with the language or the name of the subset.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import pandas as pd
from langcodes import Language

from babelrank.data.collection import Collection, assemble, join_tables
from babelrank.data.folders import Records
from babelrank.data.judgements import BEIR_QRELS, read_qrels, read_queries
from babelrank.data.language_facts import UNKNOWN_LANGUAGE, Spellings, known_code
from babelrank.data.parts import Parts, read_parts
from babelrank.data.passages import PassageBlock, PassageLayout, PassageSource
from babelrank.errors import DataError

_IDS = ("_id", "id")
_SAMPLE = 1000  # texts from which the script is detected
_CLEAR = 0.1  # of 2: minimum margin by which one order of two languages must fit better
_MIXED = 0.3  # of passages: if more are in the queries' language, the subset is mixed
_CJK = {"Hans": ("CJK",), "Hant": ("CJK",), "Jpan": ("CJK", "HIRAGANA", "KATAKANA"), "Kore": ("HANGUL",)}


@dataclass(frozen=True)
class Subset:
    """A part of a data set with separate queries, qrels and passages.

    Attributes
    ----------
    name
        Name of the subset.
    languages
        Canonical code of all texts, or two codes, for queries and passages.
    find
        Returns a part: ``queries`` are records with ``_id`` or ``id``, and ``text``; ``qrels`` are lines or records
        with ``query-id``, ``corpus-id`` and ``score``; ``corpus`` has records like queries, maybe with ``title``.
    is_ordered
        Whether the first of two languages is that of the queries. If not, the order is detected from the texts.
    """

    name: str
    languages: tuple[str, ...]
    find: Callable[[str], tuple[Records, ...]]
    is_ordered: bool = False


@dataclass(frozen=True, eq=False)
class _Part:
    """The content of a subset: texts by id, and qrels as `read_qrels` returns them."""

    name: str
    languages: tuple[str, ...]
    is_ordered: bool
    queries: dict[str, str]
    passages: dict[str, str]
    qrels: pd.DataFrame


@dataclass(frozen=True)
class _Order:
    """Languages of a subset's queries and passages."""

    queries: str
    passages: str


def pool_subsets(
    title: str,
    source: str,
    subsets: Sequence[Subset],
    *,
    leave_out_self: bool = False,
    notes: Iterable[str] = (),
    on_progress: Callable[[int], None] = lambda _: None,
) -> Collection:
    """Make one collection from subsets. The passages of a single subset stay on disk; those of several are in memory.

    Parameters
    ----------
    title, source
        See `Collection.name` and `Collection.source`.
    leave_out_self
        Whether to leave out of a query's results the passage that has its id.
    notes
        Notes of the readers.
    on_progress
        Called now and then with the number of passages read.

    Raises
    ------
    DataError
        A subset cannot be read, an id has two texts in one subset, it is unclear which of two languages the passages
        are in, or no query is left; see `assemble`.
    """
    said = list(notes)
    by_language: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for subset in subsets:
        by_language[subset.languages].append(subset.name)
    said += [
        f"subsets {' and '.join(names)} are read as {langs[0]}"
        for langs, names in by_language.items()
        if len(names) > 1 and all((known_code(name),) == langs for name in names)
    ]
    said += Spellings({lang: lang for langs in by_language for lang in langs}).notes()
    if any(UNKNOWN_LANGUAGE in subset.languages for subset in subsets):
        said.append(f"its language is unknown; name it, as in {title}@de")
    if len(subsets) == 1:
        (subset,) = subsets
        parts = _read(subset, said.append)
        if len(subset.languages) > 1:
            ((_, order),) = _ordered(title, [_hold(subset, parts, islice(parts.passages.blocks(_SAMPLE), 1))])
            passages = PassageSource(parts.passages.files, PassageLayout(_IDS, order.passages))
            parts = Parts(parts.queries.assign(lang=order.queries), parts.qrels, passages)
        return assemble(title, source, parts, leave_out_self=leave_out_self, notes=said, on_progress=on_progress)
    held: list[_Part] = []
    problems: list[str] = []
    for subset in subsets:
        own: list[str] = []
        try:
            parts = _read(subset, own.append)
            held.append(_hold(subset, parts, parts.passages.blocks()))
        except DataError as error:
            problems.append(str(error))
        said += [f"{subset.name}: {note}" for note in own]
        on_progress(sum(len(part.passages) for part in held))
    if problems:
        raise DataError("\n".join(problems))
    tables, told = _merge(list(_ordered(title, held)), same_ids=leave_out_self)
    return join_tables(title, source, *tables, leave_out_self=leave_out_self, notes=(*said, *told))


def _read(subset: Subset, note: Callable[[str], None]) -> Parts:
    """Read a subset. All texts get the first of its languages."""
    lang = subset.languages[0]
    return read_parts(
        lambda: read_queries(subset.find("queries"), _IDS, lang, note=note),
        lambda: read_qrels(subset.find("qrels"), BEIR_QRELS, note),
        lambda: PassageSource(subset.find("corpus"), PassageLayout(_IDS, lang)),
    )


def _hold(subset: Subset, parts: Parts, blocks: Iterable[PassageBlock]) -> _Part:
    passages: dict[str, str] = {}
    for block in blocks:
        for name, text in zip(block.ids, block.texts, strict=True):
            if passages.setdefault(name, text) != text:
                raise DataError(f"{subset.name}: passage id {name!r} has two texts.")
    queries = dict(zip(parts.queries["id"], parts.queries["text"], strict=True))
    return _Part(subset.name, subset.languages, subset.is_ordered, queries, passages, parts.qrels)


# --- Languages of queries and of passages ---


def _ordered(title: str, parts: Iterable[_Part]) -> Iterator[tuple[_Part, _Order]]:
    """Detect which of two languages the queries are in. Subsets of one language come first, as they help with others.

    MTEB has no rule: MLQARetrieval names the passages' language first, CUREv1 that of the queries.
    """
    known: dict[tuple[str, str], set[int]] = defaultdict(set)  # hashes of texts by side and language

    def is_known(side: str, lang: str, texts: Mapping[str, str]) -> float:
        return sum(hash(text) in known[side, lang] for text in texts.values()) / max(1, len(texts))

    waiting = sorted(parts, key=lambda part: len(part.languages))
    while waiting:
        found = ((part, _order_of(part, is_known) or _order_of(part, _is_in_script)) for part in waiting)
        part, order = next(((part, order) for part, order in found if order), (waiting[0], None))
        if order is None:
            raise DataError(
                f"{title}: subset {part.name} has texts in {' and '.join(part.languages)}, and it is unclear in "
                "which of them the passages are. Choose other subsets."
            )
        if order.queries != order.passages and is_known("passages", order.queries, part.passages) > _MIXED:
            raise DataError(f"{title}: subset {part.name} mixes passages in {' and '.join(part.languages)}.")
        waiting.remove(part)
        known["queries", order.queries].update(map(hash, part.queries.values()))
        known["passages", order.passages].update(map(hash, part.passages.values()))
        yield part, order


def _order_of(part: _Part, share: Callable[[str, str, Mapping[str, str]], float]) -> _Order | None:
    """Return the order of languages that fits clearly more texts; None if neither does."""
    first, last = part.languages[0], part.languages[-1]
    if first == last or part.is_ordered:
        return _Order(first, last)
    fits = [
        share("queries", asked, part.queries) + share("passages", found, part.passages)
        for asked, found in ((first, last), (last, first))
    ]
    if abs(fits[0] - fits[1]) < _CLEAR:
        return None
    return _Order(first, last) if fits[0] > fits[1] else _Order(last, first)


def _is_in_script(_side: str, lang: str, texts: Mapping[str, str]) -> float:
    """Return the share of letters in a language's script."""
    script = Language.get(lang).maximize().script or "Latn"
    names = _CJK.get(script) or (Language.make(script=script).script_name().split()[0].upper(),)
    sample = (text[:_SAMPLE] for text in islice(texts.values(), _SAMPLE))
    letters = Counter(unicodedata.name(each, "").split(" ")[0] for text in sample for each in text if each.isalpha())
    return sum(letters[name] for name in names) / max(1, letters.total())


# --- One collection ---


class _Side:
    """Queries or passages of all subsets, each text once."""

    def __init__(self, *, by_text: bool) -> None:
        self._by_text = by_text
        self._rows: dict[tuple[str, str, object], int] = {}
        self._texts: list[tuple[str, str, str, str]] = []  # language, subset, id, text
        self.sizes: dict[str, list[int]] = defaultdict(list)  # number of texts of each subset, by language

    def add(self, subset: str, lang: str, texts: Mapping[str, str]) -> dict[str, int]:
        """Return the row of each text by its id in the subset."""
        rows, seen = {}, Counter[str]()
        for name, text in texts.items():
            seen[text] += 1
            key = (lang, text, seen[text] if self._by_text else name)
            rows[name] = self._rows.setdefault(key, len(self._texts))
            if rows[name] == len(self._texts):
                self._texts.append((lang, subset, name, text))
        self.sizes[lang].append(len(rows))
        return rows

    @property
    def counts(self) -> Counter[str]:
        """Texts by language."""
        return Counter(lang for lang, *_ in self._texts)

    @property
    def level(self) -> int:
        """Prefix that makes ids unique: none, the language, or the subset."""
        return next((level for level in (0, 1) if len(set(self._ids(level))) == len(self._texts)), 2)

    def _ids(self, level: int) -> list[str]:
        return [(name, f"{lang}/{name}", f"{subset}/{name}")[level] for lang, subset, name, _ in self._texts]

    def frame(self, level: int) -> pd.DataFrame:
        """Return a table with ``lang``, ``id``, ``question`` and ``text``.

        Translations share a question if they share an id. Ids that are not unique in a language are not used for this.
        """
        ids = self._ids(level)
        rows = [
            (lang, ids[row], name if level < 2 else ids[row], text)
            for row, (lang, _, name, text) in enumerate(self._texts)
        ]
        return pd.DataFrame(rows, columns=["lang", "id", "question", "text"], dtype="str")


def _merge(
    parts: Sequence[tuple[_Part, _Order]], *, same_ids: bool
) -> tuple[tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], list[str]]:
    """Return queries, passages and qrels of all subsets, and notes. `same_ids`: equal ids of both have a meaning."""
    queries, passages = _Side(by_text=False), _Side(by_text=True)
    rows = [
        (queries.add(part.name, order.queries, part.queries), passages.add(part.name, order.passages, part.passages))
        for part, order in parts
    ]
    levels = [queries.level, passages.level]
    levels = [max(levels)] * 2 if same_ids else levels
    tables = queries.frame(levels[0]), passages.frame(levels[1]).drop(columns="question")
    judged = pd.concat(
        [
            part.qrels.assign(
                **{
                    f"{kind}_id": _rename(part.qrels[f"{kind}_id"], part.name, own, table["id"].tolist())
                    for kind, own, table in zip(("query", "passage"), rows_of, tables, strict=True)
                }
            )
            for (part, _), rows_of in zip(parts, rows, strict=True)
        ]
    )
    pairs = judged.drop_duplicates().groupby(["query_id", "passage_id"], sort=False, as_index=False)["grade"]
    qrels = pairs.max()
    notes = list(_notes(passages, levels))
    relevant = qrels[qrels["grade"] > 0]
    languages = relevant["passage_id"].map(tables[1].set_index("id")["lang"])
    if (languages.groupby(relevant["query_id"]).nunique() < len(passages.counts)).any():
        notes.append(
            "qrels do not cover all pairs of languages: in the pool, answers in other languages are not relevant"
        )
    if conflicts := len(judged.drop_duplicates()) - len(qrels):
        notes.append(f"{conflicts:,} judgements have different grades in different subsets; the highest counts")
    return (*tables, qrels), notes


def _rename(names: pd.Series, subset: str, rows: Mapping[str, int], ids: Sequence[str]) -> list[str]:
    """Return the collection's ids for those of a subset. Passages that the subset lacks stay missing."""
    return [ids[rows[name]] if name in rows else f"{subset}/{name}" for name in names]


def _notes(passages: _Side, levels: Sequence[int]) -> Iterator[str]:
    repeated = sum(map(sum, passages.sizes.values())) - passages.counts.total()
    if repeated:
        yield f"{repeated:,} passages occur in several subsets; each counts once"
    for kind, level in zip(("queries", "passages"), levels, strict=True):
        if level:
            yield f"ids of {kind} are prefixed with the {('language', 'subset')[level - 1]}, as an id has several texts"
    wider = [lang for lang, sizes in sorted(passages.sizes.items()) if passages.counts[lang] > max(sizes)]
    if wider:
        yield f"the pool of {', '.join(wider)} is larger than in any subset: it has the passages of all subsets"
