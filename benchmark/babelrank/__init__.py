"""Measure how well a text encoder retrieves within and across languages, and whether it favours some of them.

>>> import babelrank
>>> result = babelrank.evaluate("use-multilingual-v3", "sample:de,en")
>>> result.pairs("mAP").index.tolist()
['de', 'en']

A name's libraries are loaded when the name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from babelrank.analysis.summary import Analysis, analyse
    from babelrank.api.adapters import AdapterEntry, list_adapters
    from babelrank.api.collections import (
        CollectionEntry,
        CollectionFile,
        CollectionSource,
        FetchedCollection,
        as_mteb_task,
        describe_collection,
        export_collection,
        fetch_collections,
        init_collection,
        list_collection_sources,
        list_collections,
        verify_collections,
    )
    from babelrank.api.encoders import StoreListing, check_model, list_store, prune_store
    from babelrank.api.evaluation import diagnose, evaluate, submit
    from babelrank.api.experiments import ExperimentPreview, preview_experiment, run_experiment
    from babelrank.api.pages import build_site, check_pages, publish, refresh_pages, remove_reports, rename_report
    from babelrank.api.recommendation import recommend
    from babelrank.api.reports import (
        compare,
        export_reports,
        leaderboard,
        load_report,
        plot,
    )
    from babelrank.api.runs import ApproximationReport, approximate, compare_runs, fuse_runs, rerank_run, score_run
    from babelrank.api.schema import results_schema
    from babelrank.api.training import (
        TrainingPreview,
        average_checkpoints,
        center_model,
        mine_negatives,
        preview_training,
        train,
    )
    from babelrank.comparison import Comparison
    from babelrank.data.collection import Collection
    from babelrank.data.loading import load_collection
    from babelrank.encoding.objects import wrap_encoder
    from babelrank.encoding.protocol import Adapter, Encoder, EncoderInfo, EncoderOptions, Similarity, TokenCounts
    from babelrank.encoding.registry import load_encoder
    from babelrank.encoding.representations import Representations, encode
    from babelrank.errors import BabelrankError
    from babelrank.observer import Observer
    from babelrank.pipelines.model_check import ModelCheck
    from babelrank.pipelines.modes import Streaming
    from babelrank.ranking.rank import Ranking, rank
    from babelrank.ranking.table import RankTable
    from babelrank.reporting.diagnosis import Diagnosis
    from babelrank.reporting.publication import Repository
    from babelrank.reporting.recommendation import Recommendation
    from babelrank.reporting.run_evaluation import RunEvaluation
    from babelrank.result import Result
    from babelrank.training.mining import MiningSummary

_HOMES = {
    "Adapter": "encoding.protocol",
    "AdapterEntry": "api.adapters",
    "Analysis": "analysis.summary",
    "ApproximationReport": "api.runs",
    "BabelrankError": "errors",
    "Collection": "data.collection",
    "CollectionEntry": "api.collections",
    "CollectionFile": "api.collections",
    "CollectionSource": "api.collections",
    "Comparison": "comparison",
    "Diagnosis": "reporting.diagnosis",
    "Encoder": "encoding.protocol",
    "EncoderInfo": "encoding.protocol",
    "EncoderOptions": "encoding.protocol",
    "ExperimentPreview": "api.experiments",
    "FetchedCollection": "api.collections",
    "MiningSummary": "training.mining",
    "ModelCheck": "pipelines.model_check",
    "Observer": "observer",
    "Ranking": "ranking.rank",
    "Repository": "reporting.publication",
    "RankTable": "ranking.table",
    "Recommendation": "reporting.recommendation",
    "Representations": "encoding.representations",
    "Result": "result",
    "RunEvaluation": "reporting.run_evaluation",
    "Similarity": "encoding.protocol",
    "StoreListing": "api.encoders",
    "Streaming": "pipelines.modes",
    "TokenCounts": "encoding.protocol",
    "TrainingPreview": "api.training",
    "analyse": "analysis.summary",
    "approximate": "api.runs",
    "as_mteb_task": "api.collections",
    "average_checkpoints": "api.training",
    "build_site": "api.pages",
    "center_model": "api.training",
    "check_model": "api.encoders",
    "check_pages": "api.pages",
    "compare": "api.reports",
    "compare_runs": "api.runs",
    "describe_collection": "api.collections",
    "diagnose": "api.evaluation",
    "encode": "encoding.representations",
    "evaluate": "api.evaluation",
    "export_collection": "api.collections",
    "export_reports": "api.reports",
    "fetch_collections": "api.collections",
    "fuse_runs": "api.runs",
    "init_collection": "api.collections",
    "leaderboard": "api.reports",
    "list_adapters": "api.adapters",
    "list_collection_sources": "api.collections",
    "list_collections": "api.collections",
    "list_store": "api.encoders",
    "load_collection": "data.loading",
    "load_encoder": "encoding.registry",
    "load_report": "api.reports",
    "mine_negatives": "api.training",
    "plot": "api.reports",
    "preview_experiment": "api.experiments",
    "preview_training": "api.training",
    "prune_store": "api.encoders",
    "publish": "api.pages",
    "rank": "ranking.rank",
    "recommend": "api.recommendation",
    "refresh_pages": "api.pages",
    "remove_reports": "api.pages",
    "rename_report": "api.pages",
    "rerank_run": "api.runs",
    "results_schema": "api.schema",
    "run_experiment": "api.experiments",
    "score_run": "api.runs",
    "submit": "api.evaluation",
    "train": "api.training",
    "verify_collections": "api.collections",
    "wrap_encoder": "encoding.objects",
}

__all__ = [
    "Adapter",
    "AdapterEntry",
    "Analysis",
    "ApproximationReport",
    "BabelrankError",
    "Collection",
    "CollectionEntry",
    "CollectionFile",
    "CollectionSource",
    "Comparison",
    "Diagnosis",
    "Encoder",
    "EncoderInfo",
    "EncoderOptions",
    "ExperimentPreview",
    "FetchedCollection",
    "MiningSummary",
    "ModelCheck",
    "Observer",
    "RankTable",
    "Ranking",
    "Recommendation",
    "Repository",
    "Representations",
    "Result",
    "RunEvaluation",
    "Similarity",
    "StoreListing",
    "Streaming",
    "TokenCounts",
    "TrainingPreview",
    "__version__",
    "analyse",
    "approximate",
    "as_mteb_task",
    "average_checkpoints",
    "build_site",
    "center_model",
    "check_model",
    "check_pages",
    "compare",
    "compare_runs",
    "describe_collection",
    "diagnose",
    "encode",
    "evaluate",
    "export_collection",
    "export_reports",
    "fetch_collections",
    "fuse_runs",
    "init_collection",
    "leaderboard",
    "list_adapters",
    "list_collection_sources",
    "list_collections",
    "list_store",
    "load_collection",
    "load_encoder",
    "load_report",
    "mine_negatives",
    "plot",
    "preview_experiment",
    "preview_training",
    "prune_store",
    "publish",
    "rank",
    "recommend",
    "refresh_pages",
    "remove_reports",
    "rename_report",
    "rerank_run",
    "results_schema",
    "run_experiment",
    "score_run",
    "submit",
    "train",
    "verify_collections",
    "wrap_encoder",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("babelrank")
    if name not in _HOMES:
        raise AttributeError(f"module 'babelrank' has no attribute {name!r}")
    return getattr(import_module(f"babelrank.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
