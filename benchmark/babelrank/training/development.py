"""Evaluate a model on a collection during training, for the curves and for selecting a checkpoint.

A checkpoint that is selected on its test texts would look better than it is. So a development collection shares no text
with a test collection.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sentence_transformers import SentenceTransformer

from babelrank.analysis.language_effect import measure_language_effect
from babelrank.analysis.merge_gap import measure_merge_gap
from babelrank.analysis.summary import analyse
from babelrank.data.collection import Collection
from babelrank.encoding.protocol import Similarity
from babelrank.encoding.representations import Representations
from babelrank.errors import TrainingError
from babelrank.ranking.rank import rank
from babelrank.ranking.table import RankTable
from babelrank.training.examples import PASSAGE, QUERY, KnownTexts
from babelrank.training.model import encode_role, prompts_of

# Setting of the macro average -> its name in the log and the curves.
CURVE_NAMES = {"monolingual": "Mo. mAP", "cross_lingual": "Cr. mAP", "multilingual": "Mul. mAP"}
RANK_DISTANCE = "rank distance"
LOSS = "loss"


@dataclass(frozen=True)
class Criterion:
    """A criterion for selecting a checkpoint.

    Attributes
    ----------
    greater_is_better
        Whether the highest value is the best; otherwise the lowest is.
    wanted
        What a better checkpoint has, in words.
    measure
        Returns the value; None if it does not depend on ranks, or cannot be computed from them.
    """

    greater_is_better: bool
    wanted: str
    measure: Callable[[RankTable], float | None] = lambda _: None


def _rank_ratio(ranks: RankTable) -> float | None:
    macro = measure_language_effect(ranks).rank_ratio.macro
    return macro.value if macro else None


def _merge_gap(ranks: RankTable) -> float | None:
    macro = measure_merge_gap(ranks).macro
    return macro.value if macro else None


CRITERIA: Mapping[str, Criterion] = {
    LOSS: Criterion(False, "a lower validation loss"),
    "multilingual_map": Criterion(True, "a higher Mul. mAP", lambda ranks: analyse(ranks).macro["multilingual"]["mAP"]),
    "rank_ratio": Criterion(False, "a lower rank ratio", _rank_ratio),
    "merge_gap": Criterion(False, "a lower merge gap", _merge_gap),
}


def rank_collection(model: SentenceTransformer, collection: Collection) -> RankTable:
    """Return the ranks of a collection's relevant passages, by the current model."""
    prompts, sides = prompts_of(model), {}
    for role, table in ((QUERY, collection.queries), (PASSAGE, collection.passages.frame)):
        rows, texts = pd.factorize(table["text"])
        sides[role] = encode_role(model, prompts, texts.tolist(), role)[rows]
    return rank(collection, Representations(sides[QUERY], sides[PASSAGE], Similarity.COSINE, {}, {})).ranks


def measure_curves(ranks: RankTable) -> dict[str, float]:
    """Return the values of the curves: the macro mAP of each kind of setting, and the rank distance."""
    macro = analyse(ranks).macro
    found = {name: macro[setting]["mAP"] for setting, name in CURVE_NAMES.items()}
    found[RANK_DISTANCE] = macro["multilingual"]["rank_distance"]
    return {name: value for name, value in found.items() if value is not None}


def require_development(collection: Collection, texts: KnownTexts, tests: Sequence[KnownTexts]) -> None:
    """Check that a collection can be used for selecting a checkpoint.

    Raises
    ------
    TrainingError
        The collection shares a text with a test collection, or no query has relevant passages in two languages.
    """
    for test in tests:
        if shared := len(np.intersect1d(texts.hashes, test.hashes)):
            raise TrainingError(
                f"validation.collection: {shared:,} of {len(texts.hashes):,} texts of {collection.name} are texts of "
                f"{test.name}, a test collection (contamination.collections); choose a checkpoint by others."
            )
    languages = collection.passages.frame["lang"].to_numpy()[collection.qrels["passage"]]
    relevant = pd.DataFrame({"query": collection.qrels["query"].to_numpy(), "lang": languages}).drop_duplicates()
    if not relevant["query"].duplicated().any():
        raise TrainingError(
            f"validation.collection: no query of {collection.name} has relevant passages in two languages; "
            "validation.select_by = 'loss' needs none."
        )
