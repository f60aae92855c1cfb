"""Evaluate how well a text encoder retrieves within, across and over languages, and whether it favours some.

>>> import babelrank
>>> result = babelrank.evaluate("use-multilingual-v3", "sample:de,en")
>>> result.pairs("mAP").index.tolist()
['de', 'en']

The heavy libraries behind these names are loaded when a name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from babelrank.analysis.summary import Analysis, analyse
    from babelrank.api import compare, evaluate, leaderboard, load_report, train
    from babelrank.comparison import Comparison
    from babelrank.data.collection import Collection
    from babelrank.data.loading import load_collection
    from babelrank.encoding.objects import wrap_encoder
    from babelrank.encoding.protocol import Adapter, Encoder, EncoderInfo, EncoderOptions, Similarity
    from babelrank.encoding.registry import load_encoder
    from babelrank.encoding.representations import Representations, encode
    from babelrank.errors import BabelrankError
    from babelrank.pipelines.modes import Streaming
    from babelrank.ranking.rank import Ranking, rank
    from babelrank.ranking.table import RelevantRanks
    from babelrank.result import Result

_HOMES = {
    "Adapter": "encoding.protocol",
    "Analysis": "analysis.summary",
    "BabelrankError": "errors",
    "Collection": "data.collection",
    "Comparison": "comparison",
    "Encoder": "encoding.protocol",
    "EncoderInfo": "encoding.protocol",
    "EncoderOptions": "encoding.protocol",
    "Ranking": "ranking.rank",
    "RelevantRanks": "ranking.table",
    "Representations": "encoding.representations",
    "Result": "result",
    "Similarity": "encoding.protocol",
    "Streaming": "pipelines.modes",
    "analyse": "analysis.summary",
    "compare": "api",
    "encode": "encoding.representations",
    "evaluate": "api",
    "leaderboard": "api",
    "load_collection": "data.loading",
    "load_encoder": "encoding.registry",
    "load_report": "api",
    "rank": "ranking.rank",
    "train": "api",
    "wrap_encoder": "encoding.objects",
}

__all__ = [
    "Adapter",
    "Analysis",
    "BabelrankError",
    "Collection",
    "Comparison",
    "Encoder",
    "EncoderInfo",
    "EncoderOptions",
    "Ranking",
    "RelevantRanks",
    "Representations",
    "Result",
    "Similarity",
    "Streaming",
    "__version__",
    "analyse",
    "compare",
    "encode",
    "evaluate",
    "leaderboard",
    "load_collection",
    "load_encoder",
    "load_report",
    "rank",
    "train",
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
