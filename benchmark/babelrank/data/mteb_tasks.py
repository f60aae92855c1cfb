"""Load retrieval tasks of mteb as collections.

Muennighoff et al. 2023, arXiv 2210.07316; Enevoldsen et al. 2025, arXiv 2502.13595. Texts are those that mteb passes to
encoders: title and text of a passage, a query with its instruction, a conversation as one text.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from babelrank.data.collection import Collection
from babelrank.data.language_facts import alike, read_language
from babelrank.data.layout import USUAL_SPLIT
from babelrank.data.spec import MTEB, Spec
from babelrank.data.subsets import Subset, pool_subsets
from babelrank.errors import DataError, described, requires, unknown_choice

NO_LANGUAGE = "zxx"  # BCP 47's code for no linguistic content, here for code
_BATCH = 1000  # records
_CODE = "-Code"  # suffix of mteb's tags for programming languages
_MACRO = MappingProxyType({"no": {"no", "nb", "nn"}})
# Scripts that mteb names although they are part of the usual script.
_WITHIN = MappingProxyType({"ja-Hira": "ja", "ja-Kana": "ja", "ko-Hang": "ko"})


@dataclass(frozen=True)
class Rows:
    """Records in memory or in a `datasets.Dataset`, which may be on disk."""

    name: str
    rows: Any

    def records(self, skip: int = 0, columns: tuple[str, ...] = ()) -> Iterator[tuple[int, Any]]:
        """See `folders.Records`."""
        if isinstance(self.rows, list):
            yield from enumerate(self.rows[skip:], start=skip + 1)
            return
        wanted = [name for name in self.rows.column_names if not columns or name in columns]
        table = self.rows.select_columns(wanted)
        for start in range(skip, len(table), _BATCH):
            batch = table[start : start + _BATCH]
            rows = zip(*(batch[name] for name in wanted), strict=True)
            yield from enumerate((dict(zip(wanted, row, strict=True)) for row in rows), start=start + 1)

    def count(self) -> int:
        """See `folders.Records`."""
        return len(self.rows)


def load_mteb(spec: Spec, on_progress: Callable[[int], None] = lambda _: None) -> Collection:
    """Load a task of mteb's registry, with all its languages.

    Parameters
    ----------
    spec
        Its place is the task's name. Its subsets are those of the task, by default all. Its split is one of the task's
        evaluation splits, by default ``test`` or the only one.
    on_progress
        Called now and then with the number of passages read.

    Raises
    ------
    DataError
        mteb is not installed, the task, subset or split is unknown, the task is not text retrieval, or mteb cannot load
        it; see also `pool_subsets`.
    """
    with requires("mteb", DataError):
        import mteb
    try:
        task = mteb.get_task(spec.place)
    except KeyError as error:
        raise DataError(f"{spec}: {error.args[0]}") from error
    _require_retrieval(task)
    subsets, splits = spec.subsets, [spec.split] if spec.split else []
    if len(subsets) == 1 and not splits and subsets[0] in set(task.eval_splits) - set(task.hf_subsets):
        subsets, splits = (), [*subsets]
    for kind, wanted, there in (("subset", subsets, task.hf_subsets), ("split", splits, task.eval_splits)):
        if unknown := next((each for each in wanted if each not in there), None):
            raise DataError(f"{spec}: " + unknown_choice(kind, unknown, there))
    task.hf_subsets = [subset for subset in task.hf_subsets if not subsets or subset in subsets]
    if splits or USUAL_SPLIT in task.eval_splits:
        task.filter_eval_splits(splits or [USUAL_SPLIT])
    return load_task(task, on_progress)


def load_task(task: Any, on_progress: Callable[[int], None] = lambda _: None) -> Collection:
    """Make a collection from a task: from its `hf_subsets`, and the split ``test`` or the only one that it evaluates.

    Raises
    ------
    DataError
        See `load_mteb`.
    """
    _require_retrieval(task)
    name, known, splits = task.metadata.name, list(task.metadata.hf_subsets), list(task.eval_splits)
    split = splits[0] if len(splits) == 1 else USUAL_SPLIT
    if split not in splits:
        raise DataError(f"{MTEB}:{name}: " + unknown_choice("split", split, splits))
    chosen = tuple(task.hf_subsets or known)
    is_usual = split == USUAL_SPLIT or len(task.metadata.eval_splits) == 1
    spec = Spec(MTEB, name, split="" if is_usual else split, subsets=() if set(chosen) == set(known) else chosen)
    languages = _languages(task.metadata.hf_subsets_to_langscripts)
    if mixed := [subset for subset in chosen if len(languages[subset]) > 2]:
        raise DataError(
            f"{spec}: subset {mixed[0]} mixes {', '.join(languages[mixed[0]])}; which text is in which is unknown."
        )
    try:
        if not task.data_loaded:
            task.load_data()
        task.convert_v1_dataset_format_to_v2(num_proc=None)
        parts = {subset: task.dataset[subset][split] for subset in chosen}
        subsets = [_subset(f"{spec} ({subset})", subset, languages[subset], part) for subset, part in parts.items()]
    except Exception as error:  # errors of the Hub, the network, or a task's code, and data that mteb would not read
        raise DataError(f"{spec}: mteb cannot load it ({described(error)}).") from error
    notes = []
    if any(part.get("top_ranked") for part in parts.values()):
        notes.append("mteb ranks given candidates of each query; here the whole pool is ranked")
    pooled = pool_subsets(
        str(spec), MTEB, subsets, leave_out_self=task.ignore_identical_ids, notes=notes, on_progress=on_progress
    )
    return replace(pooled, licence=_licence(task), description=task.metadata.description)


def _require_retrieval(task: Any) -> None:
    """Refuse tasks other than text retrieval."""
    with requires("mteb", DataError):
        from mteb.abstasks.retrieval import AbsTaskRetrieval
    if not isinstance(task, AbsTaskRetrieval) or task.metadata.modalities != ["text"]:
        raise DataError(f"{MTEB}:{task.metadata.name}: not a text retrieval task, but {task.metadata.type}.")


def _subset(where: str, name: str, languages: tuple[str, ...], part: Mapping[str, Any]) -> Subset:
    """Return a subset that reads from the data that mteb has loaded."""
    qrels = [
        {"query-id": query, "corpus-id": passage, "score": grade}
        for query, grades in part["relevant_docs"].items()
        for passage, grade in grades.items()
    ]
    corpus = part["corpus"] if hasattr(part["corpus"], "column_names") else list(part["corpus"])
    parts = {"queries": list(map(_query, part["queries"])), "qrels": qrels, "corpus": corpus}
    return Subset(name, languages, lambda each: (Rows(f"{where}: {each}", parts[each]),))


def _query(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a query with mteb's text: the query, then its instruction; for a conversation, all turns."""
    text, instruction = row["text"], row.get("instruction")
    if isinstance(text, list):
        turns = (turn if isinstance(turn, str) else f"{turn['role']}: {turn['content']}" for turn in text)
        text = "; ".join(turns)
        text = f"{instruction} {text}" if instruction else text
    elif instruction:
        text = f"{text} {instruction}"
    return {"id": row["id"], "text": text}


def _languages(tags: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return canonical codes of each subset's languages, from mteb's tags such as ``deu-Latn``.

    Tags always have a script. Codes have one if a task has the language in several scripts, or in an unusual one.
    """
    codes = {tag: read_language(tag) for each in tags.values() for tag in each if not tag.endswith(_CODE)}
    scripts = Counter(code.partition("-")[0] for code in set(codes.values()))
    for tag, code in codes.items():
        base = code.partition("-")[0]
        if scripts[base] == 1 and (alike([code, base]) or _WITHIN.get(code) == base):
            codes[tag] = base
    languages = {}
    for subset, each in tags.items():
        found = tuple(dict.fromkeys(codes[tag] for tag in each if tag in codes)) or (NO_LANGUAGE,)
        macro = next((lang for lang in found if set(found) <= _MACRO.get(lang, set())), None)
        languages[subset] = (macro,) if macro else found
    return languages


def _licence(task: Any) -> str | None:
    licence = task.metadata.license
    return None if licence in (None, "not specified") else str(licence)
