"""Make results of an encoder's description, and of the analysis of a collection and measurements of the run."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import JsonValue

from babelrank.analysis.errors import Texts
from babelrank.analysis.space import Space
from babelrank.analysis.summary import Analysis
from babelrank.data.collection import Collection
from babelrank.encoding.fertility import Fertility
from babelrank.encoding.protocol import EncoderInfo
from babelrank.reporting.names import check_name
from babelrank.reporting.provenance import Cost, Seconds
from babelrank.reporting.results import CollectionResults, ModelResults, PoolCells, TextsEncoded, TextsTruncated


def model_results(
    info: EncoderInfo, *, name: str, submitted_as: str, options: Mapping[str, object] | None = None
) -> ModelResults:
    """Return the description of an encoder for results.

    Parameters
    ----------
    name
        Name in reports; see `names.default_name`.
    submitted_as
        MODEL, from `names.public_label`.
    options
        Settings that the user gave.

    Raises
    ------
    ReportError
        The name is not valid.
    """
    return ModelResults(
        name=check_name(name),
        submitted_as=submitted_as,
        adapter=info.adapter,
        fingerprint=info.fingerprint,
        dimension=info.dimension,
        parameters=info.parameters,
        kind=info.kind,
        similarity=info.similarity,
        settings=_as_json(info.settings),
        notes=dict(info.notes),
        options=_as_json(options or {}),
    )


def collection_results(
    collection: Collection,
    analysis: Analysis,
    *,
    texts_encoded: Mapping[str, int],
    texts_truncated: Mapping[str, float | None],
    seconds: Seconds,
    evaluated: datetime | None = None,
    space: Space | None = None,
    texts: Texts | None = None,
    cost: Cost | None = None,
    fertility: Fertility | None = None,
) -> CollectionResults:
    """Combine the results of one collection. `evaluated` is by default the current time."""
    return CollectionResults(
        sha256=collection.sha256,
        candidates=collection.candidates,
        languages=analysis.languages,
        queries=collection.query_counts,
        passages=collection.pool_sizes,
        macro=analysis.macro,
        micro={"multilingual": dict(analysis.pool.micro)},
        pairs=analysis.pairs,
        pool=PoolCells(analysis.pool.n, analysis.pool.scores),
        rank_distance=analysis.rank_distance,
        favoured=analysis.favoured,
        texts_encoded=TextsEncoded(texts_encoded["query"], texts_encoded["document"]),
        texts_truncated=TextsTruncated(texts_truncated["query"], texts_truncated["document"]),
        seconds=seconds,
        evaluated=(evaluated or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0),
        space=space,
        texts=texts,
        cost=cost,
        notes=list(collection.notes),
        fertility=fertility,
    )


def _as_json(settings: Mapping[str, object]) -> dict[str, JsonValue]:
    """Convert tuples, enums and so on into the values that they have after a round trip through a file."""
    plain: dict[str, JsonValue] = json.loads(json.dumps(dict(settings)))
    return plain
