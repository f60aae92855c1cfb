"""The real collections: their settings, and every figure of every setting against pytrec_eval and ir-measures.

The oracles get for each query a list of candidates, sorted by scores that were computed in float64, and the judgements
of that list. They share no code with the harness beyond the loader and the encoder. A list ends with the last relevant
passage, since what comes after it changes no measure.
"""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from ir_measures import AP, RR, R, nDCG
from scipy.stats import rankdata

from babelrank.analysis.measures import MEASURES
from babelrank.analysis.summary import Analysis, analyse
from babelrank.data.collection import Collection
from babelrank.data.loading import load_collection
from babelrank.encoding.protocol import EncoderInfo, Similarity
from babelrank.encoding.registry import load_encoder
from babelrank.encoding.representations import Representations, encode
from babelrank.ranking.rank import rank

IR_MEASURES = {AP: "mAP", R @ 1: "R@1", R @ 10: "R@10", R @ 100: "R@100", RR @ 10: "MRR@10", nDCG @ 10: "nDCG@10"}
PYTREC_EVAL = {
    "mAP": "map",
    "R@1": "recall_1",
    "R@10": "recall_10",
    "R@100": "recall_100",
    "MRR@10": "recip_rank",
    "nDCG@10": "ndcg_cut_10",
}
BATCH = 100  # queries whose lists are held at a time

# In float32 a passage may fall on either side of another whose cosine is as near as this. Queries with a relevant
# passage that has such a neighbour are left out on both sides; the tie rule has tests of its own.
NEAR = 5e-7

approximately = partial(pytest.approx, rel=0, abs=1e-6)

# Questions of MLQA-R that stand in both languages of a pair, in the order of the test below.
MLQA_R_QUERIES = [
    [517, 207, 517, 161, 186, 163, 188],
    [207, 512, 512, 196, 163, 182, 190],
    [517, 512, 1148, 500, 507, 511, 504],
    [161, 196, 500, 500, 187, 189, 161],
    [186, 163, 507, 187, 507, 177, 189],
    [163, 182, 511, 189, 177, 511, 184],
    [188, 190, 504, 161, 189, 184, 504],
]

Scores = np.ndarray  # float64, (queries, passages)
Cells = dict[tuple[str, str, str], list[float]]  # measure, query language, passage language or "all" -> by query
Figures = dict[tuple[str, ...], float | None]  # measure (or "n") and cell; measure and kind of setting, or "micro"


class NgramEncoder:
    """Real texts, cheap vectors: hashed character trigrams by a random projection. Names and numbers match across."""

    info = EncoderInfo("trigrams", "test", "1", dimension=128)

    def __init__(self):
        self._projection = np.random.default_rng(0).normal(size=(4096, 128)).astype(np.float32)

    def encode_query(self, texts):
        return np.stack([self._projection[self._buckets(text)].sum(axis=0) for text in texts])

    encode_document = encode_query

    @staticmethod
    def _buckets(text):
        codes = np.frombuffer(f" {text} ".encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
        mixed = codes[:-2] * np.uint64(2_654_435_761) + codes[1:-1] * np.uint64(40_503) + codes[2:]
        return (mixed * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(52)


def evaluate(collection: Collection, representations: Representations) -> tuple[Collection, Analysis, Scores]:
    """Analyse a collection without its near ties; return what is left of it, the analysis, and the oracles' scores."""
    units = []
    for vectors in (representations.queries, representations.passages):
        exact = vectors.astype(np.float64)
        units.append(exact / np.linalg.norm(exact, axis=1, keepdims=True))
    scores = units[0] @ units[1].T
    kept = np.ones(len(scores), dtype=bool)
    for query, passage in collection.qrels[["query", "passage"]].to_numpy():
        kept[query] &= (np.abs(scores[query] - scores[query, passage]) < NEAR).sum() == 1
    assert kept.mean() > 0.9
    collection = keep_queries(collection, kept)
    ranks = rank(collection, replace(representations, queries=representations.queries[kept])).ranks
    return collection, analyse(ranks), scores[kept]


def every_eighth_question(collection: Collection) -> Collection:
    """Keep an eighth of the questions, translations together, with the whole pool: the oracles take their time."""
    return keep_queries(
        collection, collection.queries["id"].isin(sorted(set(collection.queries["id"]))[::8]).to_numpy()
    )


def keep_queries(collection: Collection, kept) -> Collection:
    """Drop queries, and their judgements, from a collection."""
    moved = np.cumsum(kept) - 1
    qrels = collection.qrels[kept[collection.qrels["query"]]]
    return replace(
        collection,
        queries=collection.queries[kept].reset_index(drop=True),
        qrels=qrels.assign(query=moved[qrels["query"]]).reset_index(drop=True),
    )


def oracle_values(collection: Collection, scores) -> tuple[Cells, Cells]:
    """Evaluate every setting from sorted lists, query by query, with pytrec_eval and with ir-measures."""
    by_pytrec_eval, by_ir_measures = defaultdict(list), defaultdict(list)
    ids, passage_langs = (collection.passages.frame[column].to_numpy(object) for column in ("id", "lang"))
    judgements = defaultdict(dict)
    for query, passage, grade in collection.qrels[["query", "passage", "grade"]].to_numpy().tolist():
        judgements[query][passage] = grade
    for query_lang, setting in itertools.product(collection.languages, [*collection.languages, "all"]):
        candidates = np.flatnonzero((passage_langs == setting) | (setting == "all"))
        inside = set(candidates.tolist())
        places = np.arange(len(candidates), 0, -1.0).tolist()  # what the oracles take for scores: no two are equal
        queries = np.flatnonzero(collection.queries["lang"] == query_lang).tolist()
        for start in range(0, len(queries), BATCH):
            qrels, run = {}, {}
            for query in queries[start : start + BATCH]:
                relevant = {ids[p]: grade for p, grade in judgements[query].items() if p in inside}
                if relevant:
                    order = candidates[np.argsort(-scores[query, candidates], kind="stable")]
                    last = np.flatnonzero(np.isin(order, list(judgements[query]))).max()
                    names = ids[order[: last + 1]].tolist()
                    qrels[str(query)], run[str(query)] = relevant, dict(zip(names, places, strict=False))
            if not run:
                continue
            trec = pytrec_eval.RelevanceEvaluator(qrels, {"map", "recall.1,10,100", "recip_rank", "ndcg_cut.10"})
            for values in trec.evaluate(run).values():
                values["recip_rank"] *= values["recip_rank"] > 1 / 10.5  # it is not cut
                for name, theirs in PYTREC_EVAL.items():
                    by_pytrec_eval[name, query_lang, setting].append(values[theirs])
            for metric in ir_measures.iter_calc(list(IR_MEASURES), qrels, run):
                by_ir_measures[IR_MEASURES[metric.measure], query_lang, setting].append(metric.value)
    return by_pytrec_eval, by_ir_measures


def our_figures(analysis: Analysis) -> Figures:
    """Return every cell of every measure, the number of queries in it, and averages over cells and over queries."""
    pairs = list(itertools.product(analysis.languages, repeat=2))
    pools = [(lang, "all") for lang in analysis.languages]
    figures = dict(zip((("n", *pair) for pair in pairs), itertools.chain(*analysis.pairs.n), strict=True))
    figures |= dict(zip((("n", *pool) for pool in pools), analysis.pool.n, strict=True))
    for name in MEASURES:
        cells = itertools.chain(*analysis.pairs.scores[name], analysis.pool.scores[name])
        figures |= dict(zip(((name, *cell) for cell in pairs + pools), cells, strict=True))
        figures |= {(name, kind): macro[name] for kind, macro in analysis.macro.items()}
        figures[name, "micro"] = analysis.pool.micro[name]
    return figures


def oracle_figures(languages: Sequence[str], oracle: Cells) -> Figures:
    """Return the same of an oracle's values."""
    kinds = {
        "monolingual": [(lang, lang) for lang in languages],
        "cross_lingual": list(itertools.permutations(languages, 2)),
        "multilingual": [(lang, "all") for lang in languages],
    }
    cells = list(itertools.chain(*kinds.values()))
    figures: Figures = {("n", *cell): len(oracle["mAP", *cell]) for cell in cells}
    for name in MEASURES:
        figures |= {(name, *cell): np.mean(oracle[name, *cell]) if oracle[name, *cell] else None for cell in cells}
        figures |= {(name, kind): np.mean([figures[name, *cell] for cell in kinds[kind]]) for kind in kinds}
        figures[name, "micro"] = np.mean([value for lang in languages for value in oracle[name, lang, "all"]])
    return figures


def naive_rank_distances(collection: Collection, scores) -> list[float]:
    """Mean over each language's queries of the worst less the best rank in the sorted pool."""
    distances = defaultdict(list)
    for query, judged in collection.qrels.groupby("query"):
        ranks = rankdata(-scores[query])[judged["passage"]]
        if len(ranks) > 1:
            distances[collection.queries["lang"][query]].append(ranks.max() - ranks.min())
    return [float(np.mean(distances[lang])) for lang in collection.languages]


@pytest.mark.parametrize("spec", ["xquad-r:de,en,hi,th", "mlqa-r:en,es,zh"])
def test_every_figure_agrees_with_pytrec_eval_and_ir_measures(spec, real_data, tmp_path):
    collection = every_eighth_question(load_collection(spec, real_data))
    collection, analysis, scores = evaluate(collection, encode(NgramEncoder(), collection, store=tmp_path))
    for oracle in oracle_values(collection, scores):
        assert our_figures(analysis) == approximately(oracle_figures(collection.languages, oracle))
    assert analysis.rank_distance.mean == pytest.approx(naive_rank_distances(collection, scores))


def test_every_figure_of_a_real_encoder_agrees_with_pytrec_eval_and_ir_measures(real_data, tmp_path):
    collection = every_eighth_question(load_collection("xquad-r:en,th", real_data))
    representations = encode(load_encoder("use-multilingual-v3"), collection, store=tmp_path)
    collection, analysis, scores = evaluate(collection, representations)
    for oracle in oracle_values(collection, scores):
        assert our_figures(analysis) == approximately(oracle_figures(collection.languages, oracle))
    assert analysis.rank_distance.mean == pytest.approx(naive_rank_distances(collection, scores))
    # It was trained on both languages: answers are found, in one's own language more easily than in the other.
    macro = {kind: figures["mAP"] for kind, figures in analysis.macro.items()}
    assert 0.9 > macro["monolingual"] > macro["cross_lingual"] > 0.4


def random_ranks(collection: Collection):
    rng = np.random.default_rng(0)
    queries, passages = (
        rng.normal(size=(len(table), 4)).astype(np.float32) for table in (collection.queries, collection.passages.frame)
    )
    return rank(collection, Representations(queries, passages, Similarity.COSINE, {}, {})).ranks


def test_xquad_r_has_121_pairs_and_11_pools_of_1190_queries(real_data):
    ranks = random_ranks(load_collection("xquad-r", real_data))
    assert len(ranks.table) == 11 * 11 * 1190 == 143_990
    assert sum(ranks.pool_sizes.values()) == 13_014
    analysis = analyse(ranks)
    assert analysis.languages == ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"]
    assert analysis.pairs.n == analysis.favoured.n == [[1190] * 11] * 11
    assert analysis.pool.n == analysis.rank_distance.n == [1190] * 11
    assert analysis.rank_distance.floor == [10] * 11


def test_mlqa_r_has_49_pairs_and_7_pools_of_as_many_queries_as_are_parallel(real_data):
    ranks = random_ranks(load_collection("mlqa-r", real_data))
    assert sum(ranks.pool_sizes.values()) == 20_534
    analysis = analyse(ranks)
    assert analysis.languages == ["ar", "de", "en", "es", "hi", "vi", "zh"]
    assert analysis.pairs.n == MLQA_R_QUERIES
    assert analysis.pool.n == analysis.rank_distance.n == [517, 512, 1148, 500, 507, 511, 504]
    assert len(ranks.table) == sum(map(sum, analysis.pairs.n))
