"""BEIR's layout -> a collection in one language.

In: ``corpus.jsonl`` (``_id`` or ``id``, ``title``, ``text``) and ``queries.jsonl`` (``_id`` or ``id``, ``text``), as
they are, packed or as Parquet, and ``qrels/<split>.tsv`` (query-id, corpus-id, score), or records with these fields, as
MTEB has them. Protocol: Thakur et al. 2021, arXiv 2104.08663: only judged queries count, a passage is its title and
text with a space between, grades may be above 1; a passage that has the query's own id, as in ArguAna and Quora, is
left out of its results (`ignore_identical_ids`). Unlike there, a passage that is judged relevant is never left out.
"""

from collections.abc import Callable
from pathlib import Path

from babelrank.data.collection import Collection, assemble
from babelrank.data.folders import Folder, LocalFolder, folder_name, open_hub
from babelrank.data.judgements import BEIR_QRELS, read_qrels, read_queries
from babelrank.data.language_facts import canonical_code
from babelrank.data.layout import find_qrels, find_record_file, find_records
from babelrank.data.parts import read_parts
from babelrank.data.passages import PassageLayout, PassageSource
from babelrank.errors import DataError
from babelrank.files import as_path

HUB_ORGANISATION = "BeIR"  # holds NAME with corpus and queries, and NAME-qrels
UNKNOWN_LANGUAGE = "und"  # as BCP 47 has it
# BEIR's own collections.
_ENGLISH = {
    *("arguana", "bioasq", "climate-fever", "cqadupstack", "dbpedia-entity", "fever", "fiqa", "hotpotqa", "msmarco"),
    *("nfcorpus", "nq", "quora", "robust04", "scidocs", "scifact", "signal1m", "trec-covid", "trec-news"),
    "webis-touche2020",
}
_IDS = ("_id", "id")


def default_split(name: str) -> str:
    """Return the split with published figures: ``dev`` of MS MARCO (its ``test`` is TREC DL 2019), else ``test``."""
    return "dev" if Path(name).name == "msmarco" else "test"


def load_beir(
    name: str,
    data: Path,
    *,
    split: str | None = None,
    language: str | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Collection:
    """Load a collection in BEIR's layout.

    Parameters
    ----------
    name
        A folder; else the name of one below ``data/beir``; else, on the Hub, ``NAME`` (of BeIR) or
        ``ORGANISATION/NAME``, with judgements there or in ``NAME-qrels``.
    data
        Folder of the collections.
    split
        Of the judgements; by default see `default_split`.
    language
        Code of queries and passages; by default English for BEIR's own collections, else what the folder's README.md
        says in its metadata, else `UNKNOWN_LANGUAGE`.
    on_progress
        Called now and then with the number of passages read.

    Raises
    ------
    DataError
        It is nowhere to be found, a file is missing or damaged, or its parts do not belong together; see `assemble`.
    """
    folder, qrels_folder = _open(name, data)
    usual = default_split(name)
    split = split or usual
    notes: list[str] = []
    title = f"beir:{_short(name)}" + (f":{split}" if split != usual else "")
    if language is not None:
        title += f"@{language}"
    else:
        language = "en" if _ENGLISH & set(Path(name).parts[-2:]) else _card_language(folder)
        if language == UNKNOWN_LANGUAGE:
            notes.append(f"its language is not known; name it, as in {title}@de")
    parts = read_parts(
        lambda: read_queries(find_record_file(folder, "queries", split), _IDS, language, note=notes.append),
        lambda: read_qrels(find_qrels(qrels_folder, split), BEIR_QRELS, notes.append),
        lambda: PassageSource(find_records(folder, "corpus", split), PassageLayout(_IDS, language)),
    )
    return assemble(title, "beir", parts, leave_out_self=True, notes=notes, on_progress=on_progress)


def _open(name: str, data: Path) -> tuple[Folder, Folder]:
    """Return the folder of corpus and queries, and that of the judgements."""
    for path in (as_path(name), data / "beir" / name):
        if path.is_dir():
            return LocalFolder(path), LocalFolder(path)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise DataError(f"{name}: no such folder.")
    repository = name if "/" in name else f"{HUB_ORGANISATION}/{name}"
    folder = open_hub(repository)
    return folder, folder if folder.match("qrels/*") or folder.match("data/*") else open_hub(f"{repository}-qrels")


def _card_language(folder: Folder) -> str:
    """Return the one language that a folder's README.md names, as cards on the Hub do."""
    from huggingface_hub.repocard import metadata_load
    from yaml import YAMLError

    for card in folder.match("README.md"):
        path = card.local()
        try:
            named = (metadata_load(path) or {}).get("language")
        except (OSError, ValueError, YAMLError):  # people write it: a card may hold anything
            named = None
        codes = named if isinstance(named, list) else [named]
        if len(codes) == 1 and isinstance(codes[0], str):
            return canonical_code(codes[0])
    return UNKNOWN_LANGUAGE


def _short(name: str) -> str:
    """Return a collection's name without the place where it is."""
    path = as_path(name)
    return folder_name(path) if path.is_dir() else name.removeprefix(f"{HUB_ORGANISATION}/")
