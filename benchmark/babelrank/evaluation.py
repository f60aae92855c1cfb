"""A loaded encoder and a collection that is in memory -> ranks, and what follows from them.

`streaming` does the same where passages stay on disk; `submission` chooses between the two, and writes the report.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from babelrank.analysis.errors import find_errors, gather_texts, select_worst
from babelrank.analysis.space import measure_space
from babelrank.analysis.summary import analyse
from babelrank.data.collection import Collection
from babelrank.data.spec import LAREQA
from babelrank.encoding.protocol import Encoder, Role
from babelrank.encoding.representations import Progress, Representations, encode
from babelrank.encoding.transforms import Transform
from babelrank.ranking.exact_ranks import rank_exactly
from babelrank.ranking.ranks import top_passages
from babelrank.ranking.table import RelevantRanks
from babelrank.ranking.top_table import TopRanks, rank_with_top
from babelrank.ranking.trec import write_qrels, write_run
from babelrank.reporting.names import collection_stem
from babelrank.reporting.provenance import Seconds
from babelrank.reporting.results import CollectionResults, collection_results


class Observer(Protocol):
    """Is told how a submission goes."""

    def announce(self, message: str) -> None:
        """Something began that takes a while, or was decided."""

    def encoding(self, collection: str) -> Progress:
        """Return what is told how far the encoding of `collection` has come."""


@dataclass(frozen=True)
class RunExport:
    """Where TREC runs of the multilingual setting, with qrels, go.

    Attributes
    ----------
    folder
        For the files, which are named by collection and tag.
    tag
        What the runs call the system; without white space.
    depth
        Passages per query.
    """

    folder: Path
    tag: str
    depth: int = 100

    def run_file(self, collection: str) -> Path:
        """Return the path of a collection's run."""
        return self.folder / f"{collection_stem(collection)}.{self.tag}.run"

    def qrels_file(self, collection: str) -> Path:
        """Return the path of a collection's judgements."""
        return self.folder / f"{collection_stem(collection)}.qrels"


@dataclass(frozen=True)
class Evaluation:
    """What became of one collection.

    Attributes
    ----------
    results
        The figures, as reports keep them.
    ranks
        Of the relevant passages: what the figures follow from.
    top
        The best passages of each query, from which errors follow; None where passages were streamed.
    """

    results: CollectionResults
    ranks: RelevantRanks
    top: TopRanks | None = None


def evaluate_in_memory(
    collection: Collection,
    encoder: Encoder,
    observer: Observer,
    *,
    transforms: Sequence[Transform] = (),
    store: Path | None = None,
    load_seconds: float = 0.0,
    with_texts: bool = True,
    export: RunExport | None = None,
) -> Evaluation:
    """Encode, rank and analyse a collection.

    Parameters
    ----------
    transforms
        Applied to the representations, one after another.
    load_seconds
        What loading the encoder took.
    with_texts
        Whether results hold the texts of the worst questions, if the collection's licence is known: results go into
        reports, and from there anywhere.

    Raises
    ------
    EncoderError
        As `encode`; a transform cannot be applied.
    """
    representations = encode(encoder, collection, store=store, progress=observer.encoding(collection.name))
    for transform in transforms:
        representations = transform.apply(representations, collection)
    began = time.perf_counter()
    ranks, top = rank_with_top(collection, representations)
    queries, passages = representations.queries, representations.passages
    if collection.source != LAREQA and isinstance(queries, np.ndarray) and isinstance(passages, np.ndarray):
        # The same as where passages stay on disk, to the bit.
        ranks = rank_exactly(collection, queries, passages, representations.similarity)
    ranked = time.perf_counter()
    analysis = analyse(ranks)
    space = measure_space(collection, representations) if len(collection.languages) > 1 else None
    with_texts = with_texts and collection.licence is not None
    texts = gather_texts(select_worst(find_errors(ranks, top)), collection) if with_texts else None
    seconds = Seconds(
        load=load_seconds,
        encode_query=representations.seconds[Role.QUERY],
        encode_document=representations.seconds[Role.DOCUMENT],
        rank=ranked - began,
        analyse=time.perf_counter() - ranked,
    )
    if export is not None:
        _export(export, collection, representations)
    results = collection_results(
        collection,
        analysis,
        texts_encoded=representations.texts_encoded,
        texts_truncated=representations.texts_truncated,
        seconds=seconds,
        space=space,
        texts=texts,
    )
    return Evaluation(results, ranks, top)


def _export(export: RunExport, collection: Collection, representations: Representations) -> None:
    top = top_passages(representations, export.depth, own=collection.self_matches)
    write_run(export.run_file(collection.name), collection, top, export.tag)
    write_qrels(export.qrels_file(collection.name), collection)
