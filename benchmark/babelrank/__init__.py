"""Evaluate how well a text encoder retrieves within, across and over languages, and whether it favours some.

>>> import babelrank
>>> collection = babelrank.load_collection("sample")
>>> encoder = babelrank.load_encoder("use-multilingual-v3")
>>> ranks = babelrank.rank(collection, babelrank.encode(encoder, collection))
>>> babelrank.analyse(ranks).macro["multilingual"]["mAP"]

The heavy libraries behind these names are loaded when a name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from babelrank.analysis.summary import Analysis, analyse
    from babelrank.data.collection import Collection
    from babelrank.data.loading import load_collection
    from babelrank.encoding.protocol import Adapter, Encoder, EncoderInfo, EncoderOptions, Similarity
    from babelrank.encoding.registry import load_encoder
    from babelrank.encoding.representations import Representations, encode
    from babelrank.errors import BabelrankError
    from babelrank.ranking.rank import rank
    from babelrank.ranking.table import RelevantRanks

_HOMES = {
    "Adapter": "encoding.protocol",
    "Analysis": "analysis.summary",
    "BabelrankError": "errors",
    "Collection": "data.collection",
    "Encoder": "encoding.protocol",
    "EncoderInfo": "encoding.protocol",
    "EncoderOptions": "encoding.protocol",
    "RelevantRanks": "ranking.table",
    "Representations": "encoding.representations",
    "Similarity": "encoding.protocol",
    "analyse": "analysis.summary",
    "encode": "encoding.representations",
    "load_collection": "data.loading",
    "load_encoder": "encoding.registry",
    "rank": "ranking.rank",
}

__all__ = [
    "Adapter",
    "Analysis",
    "BabelrankError",
    "Collection",
    "Encoder",
    "EncoderInfo",
    "EncoderOptions",
    "RelevantRanks",
    "Representations",
    "Similarity",
    "analyse",
    "encode",
    "load_collection",
    "load_encoder",
    "rank",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'babelrank' has no attribute {name!r}")
    return getattr(import_module(f"babelrank.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
