"""Find out which languages a model ranks first in a mixed-language corpus. No qrels are needed."""

from pathlib import Path

import numpy as np

from babelrank.analysis.clusters import warn_of_few
from babelrank.analysis.language_shares import measure_language_shares
from babelrank.data.collection import Collection
from babelrank.data.download import fetch_if_ours
from babelrank.data.loading import load_collection
from babelrank.data.pool import code_languages
from babelrank.errors import DataError
from babelrank.observer import Observer
from babelrank.pipelines.evaluation import represent
from babelrank.pipelines.models import LoadedModel
from babelrank.pipelines.modes import Streaming
from babelrank.ranking.language_counts import count_languages
from babelrank.reporting.diagnosis import Diagnosis

DEPTHS = (1, 10, 100)


def open_unjudged(collection: str | Collection, data: Path | None, observer: Observer) -> Collection:
    """Load a collection, without its qrels if the source allows it.

    Raises
    ------
    DataError
        As for `load_collection`; or all passages are in one language.
    """
    if isinstance(collection, str):
        fetch_if_ours(collection, data, observer.log)
        collection = load_collection(collection, data, judged=False)
    present = [lang for lang, size in collection.pool_sizes.items() if size]
    if len(present) < 2:
        raise DataError(f"{collection.name}: all passages are in {present[0]}; diagnose needs at least two languages.")
    return collection


def diagnose(
    model: LoadedModel, collection: Collection, observer: Observer, *, store: Path | None = None, streaming: Streaming
) -> Diagnosis:
    """Count the languages of the top passages of each query; see `babelrank.diagnose`.

    Raises
    ------
    BabelrankError
        Texts cannot be encoded, or the memory limit is too low.
    """
    streamed = model.streams(collection, streaming, observer)
    used = collection if streamed else collection.with_passages_in_memory()
    represented = represent(
        used,
        model.encoder,
        observer,
        transforms=model.transforms,
        store=store,
        streaming=streaming if streamed else None,
        source=model.source,
    )
    with represented as (representations, memory, tallier):
        counts = count_languages(used, representations, DEPTHS, memory=memory, tallier=tallier)
    lang = code_languages(used.queries["lang"], used.languages)
    question = used.queries["question"].factorize()[0].astype(np.int64)
    few = warn_of_few(int(question.max()) + 1)
    return Diagnosis(
        model.described.name,
        used.name,
        {name: size for name, size in used.pool_sizes.items() if size},
        DEPTHS,
        measure_language_shares(counts, DEPTHS, lang, question, used.pool_sizes),
        (*used.notes, *((few,) if few else ())),
    )
