"""BEIR's layout -> a collection in one language.

In: ``corpus.jsonl`` (``_id``, ``title``, ``text``) and ``queries.jsonl`` (``_id``, ``text``), either of them gzipped or
Parquet, and ``qrels/<split>.tsv`` (query-id, corpus-id, score). Protocol: Thakur et al. 2021, arXiv 2104.08663: only
judged queries count, a passage is its title and text with a space between, grades may be above 1; a passage that has
the query's own id, as in ArguAna and Quora, is left out of what is found for it (`ignore_identical_ids`).
"""

from collections.abc import Callable
from pathlib import Path

from babelrank.data.collection import Collection, assemble
from babelrank.data.folders import DataFile, Folder, LocalFolder, open_hub
from babelrank.data.judgements import BEIR_QRELS, read_qrels, read_queries
from babelrank.data.passages import PassageLayout, PassageSource
from babelrank.data.records import SUFFIXES
from babelrank.errors import DataError, unknown_choice

DEFAULT_SPLIT = "test"
HUB_ORGANISATION = "BeIR"  # holds NAME with corpus and queries, and NAME-qrels
_ID = "_id"


def load_beir(
    name: str,
    data: Path,
    *,
    split: str = DEFAULT_SPLIT,
    language: str = "en",
    on_progress: Callable[[int], None] = lambda _: None,
) -> Collection:
    """Load a collection in BEIR's layout.

    Parameters
    ----------
    name
        A folder; else the name of one below ``data/beir``; else, on the Hub, ``NAME`` (of BeIR) or
        ``ORGANISATION/NAME``, whose judgements are in ``NAME-qrels``.
    data
        Folder of the collections.
    split
        Of the judgements.
    language
        ISO 639-1 code of queries and passages.
    on_progress
        Called now and then with the number of passages read.

    Raises
    ------
    DataError
        It is nowhere to be found, a file is missing or damaged, or its parts do not belong together; see `assemble`.
    """
    folder, qrels_folder = _open(name, data)
    (queries,) = require(folder, "queries", several=False)
    source = PassageSource(require(folder, "corpus"), PassageLayout(_ID, language))
    judgements = _qrels_file(qrels_folder, split)
    title = f"beir:{_short(name)}" + (f":{split}" if split != DEFAULT_SPLIT else "")
    return assemble(
        title,
        "beir",
        read_queries(queries, _ID, language),
        read_qrels(judgements, BEIR_QRELS),
        source,
        leave_out_self=True,
        on_progress=on_progress,
    )


def require(folder: Folder, stem: str, *, several: bool = True) -> tuple[DataFile, ...]:
    """Return the files of records that make up ``stem``: ``stem.*``, else ``stem-*.*``, else those in ``stem/``.

    Where they are there in several kinds, JSON lines go before gzipped ones, and those before Parquet.

    Raises
    ------
    DataError
        There is none, or several where only one will do.
    """
    for pattern in (stem, f"{stem}-*", f"{stem}/*"):
        for suffix in SUFFIXES:
            files = folder.match(pattern + suffix)
            if len(files) > 1 and not several:
                raise DataError(f"{folder.name}: which are the {stem}? {', '.join(file.name for file in files)}.")
            if files:
                return files
    raise DataError(f"{folder.name}: no {stem}{SUFFIXES[0]}, nor {', '.join(stem + s for s in SUFFIXES[1:])}.")


def _open(name: str, data: Path) -> tuple[Folder, Folder]:
    """Return the folder of corpus and queries, and that of the judgements."""
    for path in (Path(name).expanduser(), data / "beir" / name):
        if path.is_dir():
            return LocalFolder(path), LocalFolder(path)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise DataError(f"{name}: no such folder.")
    repository = name if "/" in name else f"{HUB_ORGANISATION}/{name}"
    return open_hub(repository), open_hub(f"{repository}-qrels")


def _qrels_file(folder: Folder, split: str) -> DataFile:
    files = {
        Path(file.name).name.removesuffix(".tsv"): file
        for pattern in ("*.tsv", "qrels/*.tsv")
        for file in folder.match(pattern)
    }
    if not files:
        raise DataError(f"{folder.name}: no qrels/{split}.tsv.")
    if split not in files:
        raise DataError(f"{folder.name}: " + unknown_choice("split", split, files))
    return files[split]


def _short(name: str) -> str:
    """Return a collection's name without the place where it is."""
    path = Path(name).expanduser()
    return path.resolve().name if path.is_dir() else name.removeprefix(f"{HUB_ORGANISATION}/")
