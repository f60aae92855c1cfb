"""Load MIRACL, one collection per language.

In: MIRACL's two repositories, on the Hub or as folders: topics (id, tab, text) and judgements (TREC) in
``miracl-v1.0-<lang>/``, passages (``docid``, ``title``, ``text``) in ``miracl-corpus-v1.0-<lang>/docs-*.jsonl.gz``.
Protocol: Zhang et al. 2023, TACL 11, arXiv 2210.09984: each language searches its own passages; nDCG@10, Recall@100.
"""

from collections.abc import Callable
from pathlib import Path

from babelrank.data.collection import Collection, assemble
from babelrank.data.folders import DataFile, Folder, LocalFolder, open_hub
from babelrank.data.judgements import TREC_QRELS, read_qrels, read_topics
from babelrank.data.parts import read_parts
from babelrank.data.passages import PassageLayout, PassageSource
from babelrank.errors import DataError, unknown_choice

LANGUAGES = ("ar", "bn", "de", "en", "es", "fa", "fi", "fr", "hi", "id", "ja", "ko", "ru", "sw", "te", "th", "yo", "zh")
_SPLIT = "dev"  # the only split with public judgements in all languages
HUB_TOPICS = "miracl/miracl"
HUB_CORPUS = "miracl/miracl-corpus"
_VERSION = "v1.0"


def load_miracl(
    lang: str,
    data: Path,
    *,
    folder: Path | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Collection:
    """Load one language of MIRACL.

    Parameters
    ----------
    lang
        One of `LANGUAGES`.
    data
        Folder of the collections. Files that are not in ``data/miracl`` come from the Hub.
    folder
        Read only from this folder. It, or ``miracl`` and ``miracl-corpus`` in it, hold ``miracl-v1.0-<lang>`` and
        ``miracl-corpus-v1.0-<lang>``.
    on_progress
        Called now and then with the number of passages read.

    Raises
    ------
    DataError
        The language is unknown, a file is missing or damaged, the Hub cannot be reached, or the parts do not belong
        together; see `assemble`.
    """
    if lang not in LANGUAGES:
        raise DataError("miracl: " + unknown_choice("language", lang, LANGUAGES))
    notes: list[str] = []
    title = f"miracl:{lang}"

    def find(pattern: str, repository: str = HUB_TOPICS) -> tuple[DataFile, ...]:
        return _find(pattern, folder, data, repository)

    parts = read_parts(
        lambda: read_topics(find(topics_pattern(lang, "topics"))[0], lang, notes.append),
        lambda: read_qrels(find(topics_pattern(lang, "qrels")), TREC_QRELS, notes.append),
        lambda: PassageSource(
            find(f"miracl-corpus-{_VERSION}-{lang}/docs-*.jsonl.gz", HUB_CORPUS), PassageLayout(("docid",), lang)
        ),
    )
    return assemble(title, "miracl", parts, notes=notes, on_progress=on_progress)


def topics_pattern(lang: str, kind: str) -> str:
    """Return the path of topics or qrels. ``kind`` is ``topics`` or ``qrels``."""
    part = f"miracl-{_VERSION}-{lang}"
    return f"{part}/{kind}/{kind}.{part}-{_SPLIT}.tsv"


def _find(pattern: str, folder: Path | None, data: Path, repository: str) -> tuple[DataFile, ...]:
    """Return the files in the given folder, else in the data folder, else on the Hub."""
    root = folder or data / "miracl"
    below = repository.partition("/")[2]
    for place in (root, root / below):
        if files := LocalFolder(place).match(pattern):
            return files
    if folder is not None:
        raise DataError(f"{folder}: found no {pattern} in it or in {below}/.")
    hub: Folder = open_hub(repository)
    if files := hub.match(pattern):
        return files
    raise DataError(f"{hub.name}: found no {pattern}.")
