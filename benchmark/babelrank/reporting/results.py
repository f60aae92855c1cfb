"""The results of one model, by collection.

In: the analysis of a rank table, and measurements of the run. Out: results, from which alone the report, its figures
and the leaderboard are made. The dataclasses here and in `babelrank.analysis` are the schema of results.json;
`results_file` reads and writes it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue

from babelrank.analysis.bias import FavouredLanguages, RankDistance
from babelrank.analysis.errors import Texts
from babelrank.analysis.settings import Cell, PairScores
from babelrank.analysis.space import Space
from babelrank.data.catalog import SOURCES, source_of
from babelrank.encoding.fertility import Fertility
from babelrank.encoding.protocol import Similarity
from babelrank.encoding.vectors import Kind
from babelrank.errors import ReportError, unknown_choice
from babelrank.reporting.provenance import Cost, Environment, Seconds, TrainingCost

SCHEMA_VERSION = 4  # increase it whenever a field is added, removed or changes its meaning
READABLE_VERSIONS = (1, 2, 3, SCHEMA_VERSION)  # earlier versions lack fields that are null by default
TASKS = ("monolingual", "cross_lingual", "multilingual")
BIAS_MEASURES = ("rank_distance", "rank_distance_median", "rank_distance_floor", "rank_distance_normalised")

# Keys of a model's notes. The last two have names of collections; those that are trained on with numbers.
LICENCE, NOT_COMPARED, TRAINED_ON = "licence", "training texts not compared with", "trained on texts of"
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


@dataclass(frozen=True)
class ModelResults:
    """The model and all of its settings that change the results.

    Attributes
    ----------
    name
        Name in reports. The folder's name is made from it.
    submitted_as
        MODEL as given to `babelrank submit`: a name on the Hub, or a folder's name without its path.
    adapter
        Adapter that loads it.
    fingerprint
        Commit on the Hub, digest of the folder, or package version. It changes whenever the weights change.
    dimension
        Length of a vector.
    parameters
        Number of weights; null if unknown.
    kind
        Kind of representation: ``dense``, ``sparse`` or ``multi-vector``.
    similarity
        Similarity of a query's and a passage's vector.
    settings
        All other settings in effect that change the vectors (prompts, dtype, maximum length, …).
    notes
        Further information for readers, such as the source of the prompts.
    options
        Settings given to `babelrank submit` that differ from the model's configuration.
    seen
        Languages that it was trained on, from the user or the checkpoint; null if unknown.
    base_model
        Name of the model that it is a variant of: trained further, transformed, or run by other software. Leaderboards
        group variants. Null if it is not a variant, or unknown.
    family
        Family of models that differ only in size, such as ``multilingual-e5``. Scaling laws are fitted per family.
    training_cost
        Cost of the training run; null if babelrank did not train it, or if an earlier version did.
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
    training_cost: TrainingCost | None = None


def is_digest(fingerprint: str) -> bool:
    """Return whether a fingerprint is that of files: a commit on the Hub, or the digest of a folder."""
    return _DIGEST.fullmatch(fingerprint) is not None


@dataclass(frozen=True)
class PoolCells:
    """Scores of the multilingual settings, one per query language.

    Attributes
    ----------
    n
        Number of queries of each setting.
    scores
        Mean over the setting's queries, by measure.
    """

    n: list[int]
    scores: dict[str, list[Cell]]


@dataclass(frozen=True)
class TableFile:
    """A table next to results.json.

    Attributes
    ----------
    file
        Name of the file.
    sha256
        Digest of the file (hex).
    rows
        Number of rows.
    """

    file: FileName
    sha256: Digest
    rows: int


@dataclass(frozen=True)
class RanksFile(TableFile):
    """The rank table, from which all measures are computed: a Parquet file with a row per query and relevant passage.

    Attributes
    ----------
    tied
        Number of rows with a passage that ties with another in the pool, and so has a mid-rank.
    """

    tied: int


@dataclass(frozen=True)
class TopFile(TableFile):
    """The table of top passages, from which errors are found: a Parquet file with a row per query and passage.

    Attributes
    ----------
    pool_depth, language_depth
        Passages stored per query, of the pool and of each language.
    """

    pool_depth: int
    language_depth: int


@dataclass(frozen=True)
class TextsEncoded:
    """Distinct texts that were encoded. Texts with a stored representation are not encoded again.

    Attributes
    ----------
    query
        Number of queries.
    document
        Number of passages.
    """

    query: int
    document: int


@dataclass(frozen=True)
class TextsTruncated:
    """Share of the distinct texts that are longer than the encoder reads; null if unknown.

    Attributes
    ----------
    query
        Share of the queries.
    document
        Share of the passages.
    """

    query: float | None
    document: float | None


@dataclass(frozen=True)
class CollectionResults:
    """One collection: what was evaluated, and the results.

    Attributes
    ----------
    sha256
        Digest of the collection's files (hex).
    candidates
        Kind of candidates: ``sentence``, ``sentence+context``, ``paragraph`` or ``passage``.
    languages
        ISO 639-1 codes, in the order of all rows and columns.
    queries
        Number of queries, by language.
    passages
        Number of candidates, by language. Their sum is the size of the pool.
    macro
        Mean over settings, by task (``monolingual``, ``cross_lingual``, ``multilingual``) and measure. ``multilingual``
        also has ``rank_distance`` and its median, floor and normalised form.
    micro
        Mean over all queries of all languages by measure, for ``multilingual``, as LAReQA reports it.
    pairs
        Monolingual (diagonal) and cross-lingual settings.
    pool
        Multilingual settings.
    rank_distance
        The language bias of arXiv 2408.10536, by query language.
    favoured
        Passage languages that come first, by query language.
    texts_encoded
        Number of texts that were encoded.
    texts_truncated
        Share of the texts that were cut at the maximum length.
    seconds
        Time by phase.
    evaluated
        Time of the evaluation, UTC.
    ranks
        Rank table; null until the report is written.
    environment
        Environment of this collection, if it differs from the report's; else null.
    top
        Table of top passages; null if there is none.
    space
        Geometry of the vectors; null if it was not measured.
    texts
        Texts of the worst questions and of the passages that outrank their answers; null if they must not be shared.
    cost
        Speed and size; null in reports of earlier versions.
    notes
        Sentences on what was left out of the collection or merged; null in reports of earlier versions.
    fertility
        Tokens of the model's tokenizer by language; null if it has none, if passages were streamed, or in reports of
        earlier versions.
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
    fertility: Fertility | None = None


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
        Results by specification, such as ``xquad-r`` or ``mlqa-r:paragraph:de,en``.
    environment
        Environment of the latest evaluation.
    """

    # No coercion, no unknown fields, and no NaN.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    model: ModelResults
    collections: dict[str, CollectionResults]
    environment: Environment
    schema_version: int = field(default=SCHEMA_VERSION, kw_only=True)


def catalog_order(collection: str) -> tuple[int, str]:
    """Return the sort key of a collection: the catalog's order, defaults before variants."""
    source, known = source_of(collection), list(SOURCES.values())
    return known.index(source) if source else len(known), collection


def find_collections(models: Sequence[Results], collection: str) -> list[CollectionResults]:
    """Return the models' results on one collection.

    Raises
    ------
    ReportError
        There is no model, a model has no results on the collection, or they are for different files.
    """
    if not models:
        raise ReportError("no model given.")
    for model in models:
        if collection not in model.collections:
            raise ReportError(f"{model.model.name}: " + unknown_choice("collection", collection, model.collections))
    found = [model.collections[collection] for model in models]
    for model, results in zip(models, found, strict=True):
        if (results.languages, results.sha256) != (found[0].languages, found[0].sha256):
            raise ReportError(
                f"{collection}: {model.model.name} and {models[0].model.name} were evaluated on different files "
                f"({results.sha256[:8]}, {found[0].sha256[:8]}) or languages, so their scores cannot be compared. "
                "Submit one of them again, or show them separately."
            )
    return found
