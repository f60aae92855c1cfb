"""Compute the same measures from the same vectors: babelrank against other libraries, pair by pair.

A peer gets one pair of languages at a time, as in normal use. The pair's scores come from a matrix product, the peer
gets all of them (uncut AP needs the full ranking), and returns all measures. Qrels are in the peer's format before the
clock starts. Peers do not compute the 11 multilingual settings and the language bias.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np

import babelrank
from bench.material import made_up_representations, sized, xquad
from bench.table import Row
from bench.timing import best_seconds

# One monolingual pair and three others, with about as many passages as the languages have on average.
_PAIRS = (("en", "en"), ("ar", "zh"), ("ru", "tr"), ("th", "de"))
_ROUNDS = sized(5, 1)
_TARGET = 50
_TOLERANCE = 1e-5  # of mAP
_OURS = ("babelrank", 0)

Means = dict[str, float]  # by babelrank's names of measures


@dataclass(frozen=True)
class Pair:
    """The queries of one language and the passages of another.

    Attributes
    ----------
    query_ids, passage_ids
        Ids in the order of the vectors.
    queries, passages
        float32, shape (texts, dimension): unit vectors.
    qrels
        Query id -> passage id -> grade.
    positions
        Position of each query's only relevant passage.
    """

    query_ids: list[str]
    passage_ids: list[str]
    queries: np.ndarray
    passages: np.ndarray
    qrels: dict[str, dict[str, int]]
    positions: np.ndarray

    def scores(self) -> np.ndarray:
        """Score every passage for every query, on all cores."""
        scores: np.ndarray = self.queries @ self.passages.T
        return scores

    def run(self) -> dict[str, dict[str, float]]:
        """Return query id -> passage id -> score."""
        rows = zip(self.query_ids, self.scores().tolist(), strict=True)
        return {query_id: dict(zip(self.passage_ids, row, strict=True)) for query_id, row in rows}


def measure() -> Iterator[Row]:
    """Compare complete runs of `rank` and `analyse` with each peer on a few pairs, scaled to all 121."""
    collection = xquad()
    vectors = made_up_representations(collection)
    pairs = [_cut_out(collection, vectors, *langs) for langs in _PAIRS]
    scale = len(vectors.queries) * len(vectors.passages) / sum(len(p.queries) * len(p.passages) for p in pairs)

    def ours() -> babelrank.Analysis:
        return babelrank.analyse(babelrank.rank(collection, vectors).ranks)

    expected = ours()  # Numba compiles our counting loop here, and ranx compiles in the check
    for name, peer in _PEERS.items():
        for langs, pair in zip(_PAIRS, pairs, strict=True):
            _check_agreement(name, langs, peer(pair), expected)
    # Each pair is timed separately, so that load on the machine spoils few timings.
    functions = {(name, i): partial(peer, pair) for name, peer in _PEERS.items() for i, pair in enumerate(pairs)}
    seconds = best_seconds({_OURS: ours, **functions}, rounds=_ROUNDS)
    for name in _PEERS:
        reference = scale * sum(seconds[name, i] for i in range(len(pairs)))
        ratio = reference / seconds[_OURS]
        targeted = name not in _UNTARGETED
        yield Row(
            f"all measures of XQuAD-R from the same vectors, against {name} ({len(pairs)} pairs, scaled to 121)",
            f"{seconds[_OURS]:.2f} s",
            f"{reference:.0f} s",
            f"{ratio:.0f}",
            f"≥ {_TARGET}" if targeted else "–",
            ratio >= _TARGET or not targeted,
        )


def _cut_out(
    collection: babelrank.Collection, vectors: babelrank.Representations, query_lang: str, passage_lang: str
) -> Pair:
    queries = np.flatnonzero(collection.queries["lang"] == query_lang)
    passages = np.flatnonzero(collection.passages.frame["lang"] == passage_lang)
    qrels = collection.qrels
    inside = qrels[qrels["query"].isin(queries) & qrels["passage"].isin(passages)]  # in the order of the queries
    query_ids = collection.queries["id"].iloc[queries].tolist()
    passage_ids = collection.passages.frame["id"].iloc[passages].tolist()
    positions = inside["passage"].to_numpy() - passages[0]
    return Pair(
        query_ids,
        passage_ids,
        np.asarray(vectors.queries)[queries],
        np.asarray(vectors.passages)[passages],
        {query: {passage_ids[position]: 1} for query, position in zip(query_ids, positions, strict=True)},
        positions,
    )


def _check_agreement(name: str, langs: tuple[str, str], means: Means, expected: babelrank.Analysis) -> None:
    row, column = map(expected.languages.index, langs)
    ours = {
        measure: float(np.array(matrix, dtype=float)[row, column]) for measure, matrix in expected.pairs.scores.items()
    }
    if ours.keys() != means.keys():
        raise RuntimeError(f"{name} reports {sorted(means)}, ours are {sorted(ours)}.")
    furthest = max(means, key=lambda measure: abs(ours[measure] - means[measure]))
    if not abs(ours["mAP"] - means["mAP"]) <= _TOLERANCE:
        raise RuntimeError(f"{'→'.join(langs)}: mAP is {means['mAP']:.6f} by {name}, {ours['mAP']:.6f} by babelrank.")
    if abs(ours[furthest] - means[furthest]) > _TOLERANCE:
        print(f"{'→'.join(langs)}: {furthest} by {name} differs, {means[furthest]:.6f}", file=sys.stderr)


def _by_pytrec_eval(pair: Pair) -> Means:
    from pytrec_eval import RelevanceEvaluator

    # trec_eval does not cut the reciprocal rank; with one relevant passage, AP@10 is the same.
    names = {
        "mAP": "map",
        "R@1": "recall_1",
        "R@10": "recall_10",
        "R@100": "recall_100",
        "MRR@10": "map_cut_10",
        "nDCG@10": "ndcg_cut_10",
    }
    values = RelevanceEvaluator(pair.qrels, names.values()).evaluate(pair.run()).values()
    return {ours: float(np.mean([query[theirs] for query in values])) for ours, theirs in names.items()}


_RANX_NAMES = {
    "mAP": "map",
    "R@1": "recall@1",
    "R@10": "recall@10",
    "R@100": "recall@100",
    "MRR@10": "mrr@10",
    "nDCG@10": "ndcg@10",
}


def _by_ranx(pair: Pair) -> Means:
    """Pass dictionaries, which ranx processes in half the time of its `Qrels` and `Run`."""
    from ranx import evaluate

    means = evaluate(pair.qrels, pair.run(), list(_RANX_NAMES.values()))
    return {ours: float(means[theirs]) for ours, theirs in _RANX_NAMES.items()}


def _by_ranx_from_arrays(pair: Pair) -> Means:
    """Pass the arrays that `evaluate` builds internally from dictionaries: (passage, score), best first."""
    from ranx import evaluate

    scores = pair.scores()
    order = np.argsort(-scores, axis=1)
    run = np.stack([order.astype(np.float64), np.take_along_axis(scores, order, axis=1)], axis=-1)
    qrels = np.stack([pair.positions, np.ones(len(pair.positions))], axis=-1)[:, None]
    means = evaluate(qrels, run, list(_RANX_NAMES.values()))
    return {ours: float(means[theirs]) for ours, theirs in _RANX_NAMES.items()}


def _by_ir_measures(pair: Pair) -> Means:
    import ir_measures
    from ir_measures import AP, RR, R, nDCG

    names = {"mAP": AP, "R@1": R @ 1, "R@10": R @ 10, "R@100": R @ 100, "MRR@10": RR @ 10, "nDCG@10": nDCG @ 10}
    means = ir_measures.calc_aggregate(names.values(), pair.qrels, pair.run())
    return {ours: means[theirs] for ours, theirs in names.items()}


def _by_sentence_transformers(pair: Pair) -> Means:
    """Let the evaluator score and rank, with a model that only returns the vectors."""
    import torch
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.util import cos_sim

    model = SimpleNamespace(
        encode_query=lambda _, **__: torch.from_numpy(pair.queries),
        encode_document=lambda _, **__: torch.from_numpy(pair.passages),
        similarity_fn_name="cosine",
        similarity=cos_sim,
        model_card_data=SimpleNamespace(set_evaluation_metrics=lambda *_: None),
    )
    evaluator = InformationRetrievalEvaluator(
        dict.fromkeys(pair.query_ids, ""),
        dict.fromkeys(pair.passage_ids, ""),
        {query: set(grades) for query, grades in pair.qrels.items()},
        accuracy_at_k=[1],
        precision_recall_at_k=[1, 10, 100],
        mrr_at_k=[10],
        ndcg_at_k=[10],
        map_at_k=[len(pair.passage_ids)],
        write_csv=False,
    )
    means = evaluator(model)
    names = {
        "mAP": f"map@{len(pair.passage_ids)}",
        "R@1": "recall@1",
        "R@10": "recall@10",
        "R@100": "recall@100",
        "MRR@10": "mrr@10",
        "nDCG@10": "ndcg@10",
    }
    return {ours: float(means[f"cosine_{theirs}"]) for ours, theirs in names.items()}


_SORTED_ARRAYS = "ranx's inner loop, rankings sorted by NumPy and handed over as arrays"
_PEERS: dict[str, Callable[[Pair], Means]] = {
    "pytrec_eval": _by_pytrec_eval,
    "ranx": _by_ranx,
    "ir-measures": _by_ir_measures,
    "sentence-transformers' InformationRetrievalEvaluator": _by_sentence_transformers,
    _SORTED_ARRAYS: _by_ranx_from_arrays,
}
_UNTARGETED = {_SORTED_ARRAYS}  # the peer does not do the ranking, which is most of the work
