"""BEIR's layout and MTEB's, in folders or on the Hub -> a collection.

In: the parts that `configs` finds: passages (``_id`` or ``id``, ``title``, ``text``), queries (``_id`` or ``id``,
``text``) and judgements (``query-id``, ``corpus-id``, ``score``). Protocol: Thakur et al. 2021, arXiv 2104.08663: only
judged queries count, a passage is its title and text with a space between, grades may be above 1. Of BEIR's, a passage
that has the query's own id, as in ArguAna and Quora, is left out of its results (`ignore_identical_ids`). Unlike there,
a passage that is judged relevant is never left out.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from babelrank.data.collection import Collection
from babelrank.data.configs import WHOLE, find_subsets, read_card
from babelrank.data.folders import Folder, LocalFolder, folder_name, open_hub
from babelrank.data.spec import BEIR, Spec, default_split
from babelrank.data.subsets import pool_subsets
from babelrank.errors import DataError
from babelrank.files import as_path

HUB_ORGANISATION = "BeIR"  # holds NAME with corpus and queries, and NAME-qrels
_ON_HUB = re.compile(r"(\w[\w.-]*/)?\w[\w.-]*", re.ASCII)
# BEIR's own collections.
_ENGLISH = {
    *("arguana", "bioasq", "climate-fever", "cqadupstack", "dbpedia-entity", "fever", "fiqa", "hotpotqa", "msmarco"),
    *("nfcorpus", "nq", "quora", "robust04", "scidocs", "scifact", "signal1m", "trec-covid", "trec-news"),
    "webis-touche2020",
}


def load_beir(spec: Spec, data: Path, on_progress: Callable[[int], None] = lambda _: None) -> Collection:
    """Load a collection in BEIR's layout, or in MTEB's with all its languages.

    Parameters
    ----------
    spec
        Specification with the source ``beir`` or ``hf``. Its place is a folder; else (for ``beir``) the name of a
        folder in ``data/beir``; else, on the Hub, ``ORGANISATION/NAME``, or ``NAME`` for BeIR's, with qrels there or
        in ``NAME-qrels``. Its language is that of all texts: by default English for BEIR's own collections, else as
        for `find_subsets`.
    data
        Folder of the collections.
    on_progress
        Called now and then with the number of passages read.

    Raises
    ------
    DataError
        The collection is not found, a file is missing or damaged, or its parts do not belong together; see
        `find_subsets` and `pool_subsets`.
    """
    is_beir = spec.source == BEIR
    folder, qrels_folder = _open(spec.place, data / BEIR / spec.place if is_beir else None)
    english = "en" if is_beir and _ENGLISH & set(Path(spec.place).parts[-2:]) else None
    subsets = find_subsets(
        folder,
        qrels_folder,
        read_card(folder),
        names=(WHOLE,) if is_beir else spec.subsets,
        split=spec.split or default_split(spec.place),
        language=next(iter(spec.languages), english),
    )
    title = str(replace(spec, place=_short(spec.place)))
    return pool_subsets(title, spec.source, subsets, leave_out_self=is_beir, on_progress=on_progress)


def _open(name: str, ours: Path | None) -> tuple[Folder, Folder]:
    """Return the folder of corpus and queries, and the folder of qrels."""
    for path in filter(None, (as_path(name), ours)):
        if path.is_dir():
            return LocalFolder(path), LocalFolder(path)
    if not _ON_HUB.fullmatch(name) or (ours is None and "/" not in name):
        raise DataError(f"{name}: no such folder.")
    repository = name if "/" in name else f"{HUB_ORGANISATION}/{name}"
    folder = open_hub(repository)
    elsewhere = ours and not folder.match("qrels/*") and not folder.match("data/*")
    return folder, open_hub(f"{repository}-qrels") if elsewhere else folder


def _short(name: str) -> str:
    """Return a collection's name without its path."""
    path = as_path(name)
    return folder_name(path) if path.is_dir() else name.removeprefix(f"{HUB_ORGANISATION}/")
