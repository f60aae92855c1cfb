"""Which languages are at the top of the lists: counted exactly, with ties shared out, and without qrels."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import babelrank
from babelrank.analysis.language_shares import measure_language_shares
from babelrank.ranking.language_counts import count_languages
from made_collections import write_local
from observers import RecordingObserver

LANGUAGES = ("de", "en", "tr")


def make_collection(sizes, queries=40):
    passages = [(f"{lang}/{i}", lang, f"{lang} {i}") for lang, size in sizes.items() for i in range(size)]
    asked = [(f"{lang}-q{i}", lang, f"{lang} q{i}", f"q{i}") for lang in ("de", "en") for i in range(queries)]
    return babelrank.Collection.from_frames(
        pd.DataFrame(asked, columns=["id", "lang", "text", "question"]),
        pd.DataFrame(passages, columns=["id", "lang", "text"]),
        name="mixed",
    )


@pytest.mark.parametrize("sparse", [False, True])
def test_passages_that_tie_share_the_last_places(sparse):
    from scipy.sparse import csr_array

    collection = make_collection({"de": 7, "en": 12, "tr": 4}, queries=6)
    rng = np.random.default_rng(0)
    queries, passages = rng.integers(0, 2, (12, 3)).astype(np.float32), rng.integers(0, 2, (23, 3)).astype(np.float32)
    queries[0] = 0  # ties with all
    given = (csr_array(queries), csr_array(passages)) if sparse else (queries, passages)
    representations = babelrank.Representations(*given, "dot")
    counts = count_languages(collection, representations, (1, 5, 100))
    codes, scores = collection.passages.lang_codes, queries @ passages.T
    for row in range(12):
        for place, k in enumerate((1, 5, 23)):
            last = np.sort(scores[row])[::-1][k - 1]
            above, tied = scores[row] > last, scores[row] == last
            weights = above + tied * (k - above.sum()) / tied.sum()
            assert counts[place, row] == pytest.approx(np.bincount(codes, weights=weights, minlength=3))
    assert counts[0, 0] == pytest.approx(np.array([7, 12, 4]) / 23)
    assert counts[2].tolist() == [[7, 12, 4]] * 12
    with pytest.raises(babelrank.BabelrankError, match=r"depths \[0\]"):
        count_languages(collection, representations, [0])


def test_shares_are_means_over_queries_with_intervals_over_questions():
    # Pairs of queries in de, then in tr; each stands for 20 questions.
    counts = np.repeat(np.array([[[2, 0, 0], [1, 0, 1], [0, 0, 2], [0, 0, 2]]], float), 20, axis=1)
    lang, question = np.repeat([0, 0, 2, 2], 20), np.tile(np.arange(40), 2)
    found = measure_language_shares(counts, [2], lang, question, {"de": 3, "en": 0, "tr": 1})
    shares = found.shares.set_index(["query", "passage"])
    assert shares["share"].to_dict() == {
        ("de", "de"): 0.75,
        ("tr", "de"): 0.0,
        ("mean", "de"): 0.375,
        ("de", "tr"): 0.25,
        ("tr", "tr"): 1.0,
        ("mean", "tr"): 0.625,
    }
    columns = ["corpus", "ratio", "queries"]
    assert shares.loc[("de", "de"), columns].tolist() == [0.75, 1, 40]
    assert shares.loc[("mean", "tr"), columns].tolist() == [0.25, 2.5, 80]
    # With k of 40 questions drawn from the first half, the share of de is (1 + k / 40) / 2.
    ends = 0.5 + stats.binom.ppf([0.025, 0.975], 40, 0.5) / 80
    assert shares.loc[("de", "de"), ["low", "high"]].tolist() == pytest.approx(ends, abs=0.013)
    few = measure_language_shares(counts[:, ::20], [2], lang[::20], np.array([0, 1, 0, 1]), {"de": 3, "en": 0, "tr": 1})
    assert few.shares["share"].tolist() == found.shares["share"].tolist()
    assert few.shares[["low", "high"]].isna().all(axis=None)
    own = found.own.set_index("query")
    assert own["share"].to_dict() == {"de": 0.75, "tr": 1.0, "mean": 0.875}
    assert own["corpus"].to_dict() == {"de": 0.75, "tr": 0.25, "mean": 0.5}


def diagnose(collection, vector, tmp_path, **options):
    def encode(texts):
        return np.stack([vector(text) for text in texts])

    return babelrank.diagnose(encode, collection, name="made", store=tmp_path, observer=RecordingObserver(), **options)


def noise(text):
    return np.random.default_rng(list(text.encode())).normal(size=16)


def test_a_model_that_does_not_see_languages_gives_each_its_share_of_the_corpus(tmp_path):
    found = diagnose(make_collection({"de": 100, "en": 250, "tr": 50}), noise, tmp_path)
    frame = found.to_frame()
    assert set(frame["depth"]) == {1, 10, 100}
    deep = frame[(frame["depth"] == 100) & (frame["query"] == "mean")]
    assert (deep["share"] - deep["corpus"]).abs().max() < 0.03
    assert ((deep["low"] <= deep["corpus"] + 0.01) & (deep["corpus"] <= deep["high"] + 0.01)).all()
    assert frame.groupby(["query", "depth"])["share"].sum().to_numpy() == pytest.approx(1)


def test_a_model_that_favours_a_language_is_found_out(tmp_path):
    favour = {"de": 0.0, "en": 3.0, "tr": -3.0}

    def vector(text):
        lang, _, name = text.partition(" ")
        return np.append(noise(text), 3.0 if name.startswith("q") else favour.get(lang, 0.0))

    found = diagnose(make_collection({"de": 100, "en": 100, "tr": 100}), vector, tmp_path)
    more, less = found.verdict()
    assert more.startswith("More than in the corpus: English (en) (")
    assert "Turkish (tr) (0% of the top 10, 33% of the corpus)" in less
    own = found.own_language().query("depth == 1").set_index("query")["share"]
    assert own["en"] > 0.9
    assert own["de"] < 0.1
    assert "Diagnosis of made on mixed" in repr(found)
    assert "<table" in found._repr_html_()


def test_a_folder_without_qrels_is_diagnosed_in_memory_as_streamed(tmp_path):
    folder = write_local(tmp_path / "mine")
    judged = babelrank.load_collection(f"local:{folder}")
    (folder / "qrels.tsv").unlink()
    frames = [
        diagnose(f"local:{folder}", noise, tmp_path, streaming=babelrank.Streaming(memory)).to_frame()
        for memory in (None, 10**10)
    ]
    pd.testing.assert_frame_equal(*frames)
    assert frames[0]["query"].drop_duplicates().tolist() == ["de", "en", "mean"]
    assert frames[0]["passage"].drop_duplicates().tolist() == ["de", "th"]
    assert len(judged.queries) == frames[0].query("query == 'mean'")["queries"].iloc[0]
    for call in (
        lambda: babelrank.evaluate(noise, babelrank.load_collection(f"local:{folder}", judged=False)),
        lambda: babelrank.score_run("x.run", babelrank.load_collection(f"local:{folder}", judged=False)),
        lambda: babelrank.load_collection(f"local:{folder}"),
    ):
        with pytest.raises(babelrank.BabelrankError, match=r"no qrels.*Only `babelrank diagnose` works without"):
            call()


def test_queries_that_are_judged_nowhere_are_diagnosed_though_qrels_are_there(tmp_path):
    folder = write_local(tmp_path / "mine")
    with (folder / "queries.jsonl").open("a") as file:
        file.write('{"id": "new", "lang": "th", "text": "thing"}\n')
    shares = diagnose(f"local:{folder}", noise, tmp_path).to_frame()
    assert shares.set_index(["query", "passage", "depth"]).loc[("th", "th", 1), "queries"] == 1


def test_passages_in_one_language_are_refused_before_the_model_is_loaded():
    with pytest.raises(babelrank.BabelrankError, match="all passages are in en; diagnose needs at least two languages"):
        babelrank.diagnose("no/such/model", "sample:en", observer=RecordingObserver())


def test_the_command_prints_tables_and_writes_shares(babelrank, tmp_path):
    assert babelrank("data", "init", "mine").code == 0
    (tmp_path / "mine" / "qrels.tsv").unlink()
    outcome = babelrank("diagnose", "use-multilingual-v3", "-c", "local:mine", "--out", "shares.csv")
    assert outcome.code == 0, outcome.err
    assert "Languages of the top 10" in outcome.out
    shares = pd.read_csv(tmp_path / "shares.csv")
    assert shares.columns.tolist() == [
        "query",
        "passage",
        "depth",
        "share",
        "low",
        "high",
        "corpus",
        "ratio",
        "queries",
    ]
