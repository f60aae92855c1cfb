"""Everything that is known about one model, by collection.

Comes in: the analysis of a rank table with what was measured on the way. From what goes out, and from it alone, follow
the report, its figures and the leaderboard. The dataclasses here and in `babelrank.analysis` are the schema of
results.json; `results_file` reads and writes it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue

from babelrank.analysis.bias import FavouredLanguages, RankDistance
from babelrank.analysis.errors import Texts
from babelrank.analysis.settings import Cell, PairScores
from babelrank.analysis.space import Space
from babelrank.analysis.summary import Analysis
from babelrank.data.catalog import SOURCES, source_of
from babelrank.data.collection import Collection
from babelrank.encoding.protocol import EncoderInfo, Similarity
from babelrank.encoding.vectors import Kind
from babelrank.errors import ReportError, unknown_choice
from babelrank.reporting.names import check_name
from babelrank.reporting.provenance import Cost, Environment, Seconds

SCHEMA_VERSION = 3  # raise it whenever a field is added, dropped, or comes to mean something else
READABLE_VERSIONS = (1, 2, SCHEMA_VERSION)  # the earlier ones lack what is null by default
TASKS = ("monolingual", "cross_lingual", "multilingual")
BIAS_MEASURES = ("rank_distance", "rank_distance_median", "rank_distance_floor", "rank_distance_normalised")

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


@dataclass(frozen=True)
class ModelResults:
    """The model and all of its settings that change the figures.

    Attributes
    ----------
    name
        What reports call it; its slug names the folder.
    submitted_as
        MODEL as given to `babelrank submit`: a name on the Hub, or a folder's name without the path to it.
    adapter
        The adapter that wraps it.
    fingerprint
        Commit on the Hub, digest of the folder, or package version: changes whenever the weights do.
    dimension
        Length of a vector.
    parameters
        Number of weights; null if it cannot be known.
    kind
        What a text becomes: ``dense``, ``sparse`` or ``multi-vector``.
    similarity
        How a query's vector and a passage's make a score.
    settings
        Everything else that changes the vectors (prompts, dtype, maximum length, …), as it was in effect.
    notes
        What else a reader should know, such as where the prompts come from.
    options
        Those settings that were given to `babelrank submit`, where the model's own configuration says otherwise or
        nothing.
    seen
        Languages that it was trained on, as the user or the checkpoint says; null if neither does.
    base_model
        Name of the model that it is a variant of: trained further, transformed, or run by other software. Leaderboards
        group variants. Null if it is none, or that is not known.
    family
        Models of one recipe in several sizes, such as ``multilingual-e5``: scaling laws are of one family.
    """

    name: str
    submitted_as: str
    adapter: str
    fingerprint: str
    dimension: int
    parameters: int | None
    kind: Kind
    similarity: Similarity
    settings: dict[str, JsonValue]
    notes: dict[str, str]
    options: dict[str, JsonValue]
    seen: list[str] | None = None
    base_model: str | None = None
    family: str | None = None


@dataclass(frozen=True)
class PoolCells:
    """Scores of the multilingual settings, one per query language.

    Attributes
    ----------
    n
        Queries of each setting.
    scores
        By measure: mean over the setting's queries.
    """

    n: list[int]
    scores: dict[str, list[Cell]]


@dataclass(frozen=True)
class TableFile:
    """A table next to results.json.

    Attributes
    ----------
    file
        Its name.
    sha256
        Digest of the file (hex).
    rows
        Number of its rows.
    """

    file: FileName
    sha256: Digest
    rows: int


@dataclass(frozen=True)
class RanksFile(TableFile):
    """The rank table, from which everything follows: a Parquet file with a row for each query and relevant passage.

    Attributes
    ----------
    tied
        Rows with a passage that scores the same as another of the pool, and so has a mid-rank.
    """

    tied: int


@dataclass(frozen=True)
class TopFile(TableFile):
    """The table of top passages, from which errors follow: a Parquet file with a row for each query and passage.

    Attributes
    ----------
    pool_depth, language_depth
        Passages kept for each query, of the pool and of each language.
    """

    pool_depth: int
    language_depth: int


@dataclass(frozen=True)
class TextsEncoded:
    """Distinct texts that the encoder saw; texts with a stored representation are not encoded again.

    Attributes
    ----------
    query
        As queries.
    document
        As passages.
    """

    query: int
    document: int


@dataclass(frozen=True)
class TextsTruncated:
    """Share of the distinct texts that are longer than the encoder reads; null if it cannot tell.

    Attributes
    ----------
    query
        Of the queries.
    document
        Of the passages.
    """

    query: float | None
    document: float | None


@dataclass(frozen=True)
class CollectionResults:
    """One collection: what was evaluated, and the figures.

    Attributes
    ----------
    sha256
        Digest of the collection's files (hex).
    candidates
        What a passage is: ``sentence``, ``sentence+context`` or ``paragraph``.
    languages
        ISO 639-1 codes, in the order of all rows and columns.
    queries
        Number of queries, by language.
    passages
        Number of candidates, by language; they sum to the size of the pool.
    macro
        ``monolingual``, ``cross_lingual``, ``multilingual`` -> measure -> mean over settings; ``rank_distance`` and its
        median, floor and normalised form stand with the multilingual ones.
    micro
        ``multilingual`` -> measure -> mean over all queries of all languages, as LAReQA reports it.
    pairs
        The monolingual (diagonal) and cross-lingual settings.
    pool
        The multilingual settings.
    rank_distance
        The language bias of arXiv 2408.10536, by query language.
    favoured
        Which passage languages come first, by query language.
    texts_encoded
        How many texts the encoder saw.
    texts_truncated
        Share of the texts that were cut at the maximum length.
    seconds
        Time by phase.
    evaluated
        When, UTC.
    ranks
        The rank table; null until the report is written.
    environment
        Where this collection was evaluated, if not where the report as a whole says; else null.
    top
        The table of top passages; null if there is none.
    space
        Geometry of the vectors; null if it was not measured.
    texts
        Of the worst questions and what outranked their answers; null where they may not be passed on.
    cost
        Speed and size; null in reports of earlier versions.
    notes
        What of the collection's files takes no part, or was put together, in sentences; null in reports of earlier
        versions.
    """

    sha256: Digest
    candidates: str
    languages: list[str]
    queries: dict[str, int]
    passages: dict[str, int]
    macro: dict[str, dict[str, Cell]]
    micro: dict[str, dict[str, Cell]]
    pairs: PairScores
    pool: PoolCells
    rank_distance: RankDistance
    favoured: FavouredLanguages
    texts_encoded: TextsEncoded
    texts_truncated: TextsTruncated
    seconds: Seconds
    evaluated: AwareDatetime
    ranks: RanksFile | None = None
    environment: Environment | None = None
    top: TopFile | None = None
    space: Space | None = None
    texts: Texts | None = None
    cost: Cost | None = None
    notes: list[str] | None = None


@dataclass(frozen=True)
class Results:
    """Content of a results.json.

    Attributes
    ----------
    schema_version
        Version of this layout.
    model
        The model and its settings.
    collections
        By specification, such as ``xquad-r`` or ``mlqa-r:paragraph:de,en``.
    environment
        Where the latest evaluation ran.
    """

    # Nothing is coerced, nothing unknown passes, and no NaN stands for a number.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    model: ModelResults
    collections: dict[str, CollectionResults]
    environment: Environment
    schema_version: int = field(default=SCHEMA_VERSION, kw_only=True)


def model_results(
    info: EncoderInfo, *, name: str, submitted_as: str, options: Mapping[str, object] | None = None
) -> ModelResults:
    """Describe an encoder as results do.

    Parameters
    ----------
    name
        What to call it; see `names.default_name`.
    submitted_as
        MODEL, as `names.public_label` gives it.
    options
        Settings that the user asked for.

    Raises
    ------
    ReportError
        The name is not a valid one.
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
) -> CollectionResults:
    """Put together the results of one collection; `evaluated` is now unless given."""
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
    )


def _as_json(settings: Mapping[str, object]) -> dict[str, JsonValue]:
    """Turn tuples, enums and the like into what they are after a round trip through a file."""
    plain: dict[str, JsonValue] = json.loads(json.dumps(dict(settings)))
    return plain


def catalog_order(collection: str) -> tuple[int, str]:
    """Sort key of collections: as the catalog has them, defaults before variants."""
    source, known = source_of(collection), list(SOURCES.values())
    return known.index(source) if source else len(known), collection


def find_collections(models: Sequence[Results], collection: str) -> list[CollectionResults]:
    """Return the models' results on one collection.

    Raises
    ------
    ReportError
        There is no model, one has no such results, or they are about other files.
    """
    if not models:
        raise ReportError("no model is named.")
    for model in models:
        if collection not in model.collections:
            raise ReportError(f"{model.model.name}: " + unknown_choice("collection", collection, model.collections))
    found = [model.collections[collection] for model in models]
    for model, results in zip(models, found, strict=True):
        if (results.languages, results.sha256) != (found[0].languages, found[0].sha256):
            raise ReportError(
                f"{collection}: {model.model.name} and {models[0].model.name} were evaluated on different files "
                f"({results.sha256[:8]}, {found[0].sha256[:8]}) or languages, so that their figures do not compare. "
                "Submit one of them again, or show them apart."
            )
    return found
