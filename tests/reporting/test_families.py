"""Reports of MIRACL, BEIR and own collections: from made files through `submit`, and what each shows."""

import gzip
import json

import pytest

from babelrank.pipelines.submission import submit
from babelrank.reporting.leaderboard import read_boards, render_leaderboard, render_leaderboard_html
from babelrank.reporting.measures import measures_of
from babelrank.reporting.refresh import check_reports
from babelrank.reporting.report import find_report
from observers import RecordingObserver

WORDS = ["nyota", "mlima", "bahari", "mto", "jua", "mwezi", "mvua", "upepo"]


def write_lines(path, lines, *, packed=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if packed else content)


def texts(prefix=""):
    """Return eight passages: the i-th holds the first i + 1 words, so that a word alone is found in several."""
    return [" ".join(f"{prefix}{word}" for word in WORDS[: i + 1]) for i in range(len(WORDS))]


def write_miracl(root, lang):
    """Write two judged queries and one that is not, over eight passages in two shards, in MIRACL's layout."""
    topics = root / f"miracl-v1.0-{lang}"
    write_lines(topics / "topics" / f"topics.miracl-v1.0-{lang}-dev.tsv", ["0\tjua", "1\tupepo mvua", "2\tnyota"])
    judged = ["0 Q0 4#0 1", "0 Q0 5#0 1", "0 Q0 0#0 0", "1 Q0 7#0 1"]
    write_lines(topics / "qrels" / f"qrels.miracl-v1.0-{lang}-dev.tsv", judged)
    records = [json.dumps({"docid": f"{i}#0", "title": "", "text": text}) for i, text in enumerate(texts())]
    for shard in range(2):
        path = root / f"miracl-corpus-v1.0-{lang}" / f"docs-{shard}.jsonl.gz"
        write_lines(path, records[shard::2], packed=True)


def write_beir(folder):
    """Write graded judgements, one of them of a passage that is not there, in BEIR's layout."""
    records = [{"_id": str(i), "title": f"T{i}", "text": text} for i, text in enumerate(texts())]
    write_lines(folder / "corpus.jsonl", map(json.dumps, records))
    write_lines(folder / "queries.jsonl", (json.dumps({"_id": f"q{i}", "text": word}) for i, word in enumerate(WORDS)))
    rows = [f"q{i}\t{j}\t{1 + (i == j)}" for i in range(8) for j in range(i, 8)]
    write_lines(folder / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", *rows, "q0\tgone\t1"])


def write_own(folder, languages=("de", "en")):
    """Write two questions in each language; every query has a relevant passage in each language."""
    queries, passages, qrels = [], [], []
    for lang in languages:
        passages += [{"id": f"{lang}{i}", "lang": lang, "text": text} for i, text in enumerate(texts())]
        queries += [{"id": f"{lang}-{q}", "lang": lang, "text": WORDS[q], "question": f"q{q}"} for q in (2, 3)]
        qrels += [f"{lang}-{q}\t{other}{q}\t1" for q in (2, 3) for other in languages]
    write_lines(folder / "queries.jsonl", map(json.dumps, queries))
    write_lines(folder / "passages.jsonl", map(json.dumps, passages))
    write_lines(folder / "qrels.tsv", qrels)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Made collections of every family, and reports of two models on them."""
    root = tmp_path_factory.mktemp("families")
    for lang in ("sw", "te"):
        write_miracl(root / "made", lang)
    write_beir(root / "set")
    write_own(root / "own")
    write_own(root / "single", languages=("de",))
    names = [
        f"miracl:{root / 'made'}:sw,te",
        f"beir:{root / 'set'}",
        f"local:{root / 'own'}",
        f"local:{root / 'single'}",
    ]
    root.joinpath("said.json").write_text(json.dumps(submit_all(root, "bm25", names)))
    submit_all(root, "partial", names[1:2])
    submit_all(root, "sw only", [f"miracl:{root / 'made'}:sw"])
    return root


def submit_all(root, name, collections):
    told = RecordingObserver()
    submit("bm25", collections, root / "reports", told, name=name, store=root / "store", runs=root / "runs")
    return told.messages


def test_what_takes_no_part_is_announced(place):
    said = json.loads((place / "said.json").read_text())
    assert "miracl:sw: 1 queries without a judgement were dropped" in said
    assert "beir:set: 1 judgements name unknown passages: gone" in said


@pytest.mark.parametrize(
    ("name", "kinds", "headline", "has_bias"),
    [
        ("miracl:sw", ("monolingual",), ("nDCG@10", "R@100"), False),
        ("beir:set", ("monolingual",), ("nDCG@10", "R@100"), False),
        ("local:single", ("monolingual",), ("nDCG@10", "R@100"), False),
        ("local:own", ("monolingual", "cross_lingual", "multilingual"), ("mAP",), True),
    ],
)
def test_a_collection_has_the_figures_that_its_judgements_allow(place, name, kinds, headline, has_bias):
    shown = measures_of(name, find_report("bm25", place / "reports").collections[name])
    assert (shown.tasks, shown.headline, shown.has_bias) == (kinds, headline, has_bias)
    assert shown.measures[0] == headline[0]
    assert len(set(shown.measures)) == len(shown.measures)


def test_miracl_is_scored_by_ndcg_and_recall(place):
    results = find_report("bm25", place / "reports").collections["miracl:sw"]
    # Query 0, "jua": it is in passages 4 to 7, the shortest first, and 4 and 5 are relevant. Query 1: 7 has both words.
    assert results.macro["monolingual"]["nDCG@10"] == 1
    assert results.macro["monolingual"]["R@100"] == 1
    assert results.queries == {"sw": 2}


def test_a_report_of_one_language_shows_neither_pairs_nor_bias(place):
    page = (place / "reports" / "partial" / "report.md").read_text(encoding="utf-8")
    html = (place / "reports" / "partial" / "report.html").read_text(encoding="utf-8")
    assert "| | macro average over | nDCG@10 ↑ | R@100 ↑ |" in page
    for text in ("Mul.", "istance ↓", "eatmap:", "query and passage language"):
        assert text not in page
    for text in ("Pairs of languages", "Favoured", "Consistency", "Multilingual pool"):
        assert text not in html
    assert not list((place / "reports" / "partial").glob("*.svg"))
    assert check_reports(place / "reports") == []


def test_a_report_of_several_languages_shows_both(place):
    page = (place / "reports" / "bm25" / "report.md").read_text(encoding="utf-8")
    assert "- **local:own**: mAP is 1.000 within a language" in page
    assert "### Language bias" in page
    assert "- **miracl:te**: nDCG@10 is 1.000 over 2 queries." in page
    assert (place / "reports" / "bm25" / "local.own.mean-rank.svg").is_file()


def test_the_leaderboard_has_a_section_for_each_family(place):
    page = render_leaderboard(read_boards(place / "reports"))
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == ["## MIRACL", "## BEIR", "## local:own", "## local:single", "## What the columns mean"]
    assert "| # | model | sw ↑ | te ↑ | average ↑ | parameters |" in page
    miracl = page.split("## MIRACL")[1].split("## BEIR")[0]
    rows = [line.split(" | ") for line in miracl.splitlines() if line.startswith(("| 1", "| 2"))]
    assert [row[2:5] for row in rows] == [["1.000", "1.000", "1.000"], ["1.000", "–", "–"]] * 2
    assert "[sw only]" in rows[1][1]


def test_the_leaderboards_page_has_a_board_for_each_family(place):
    page = render_leaderboard_html(read_boards(place / "reports"))
    boards = {part.split('"')[0]: part.split(">")[0] for part in page.split('<section class="board" id="')[1:]}
    assert list(boards) == ["miracl", "beir", "local-own", "local-single"]
    assert 'data-measures="nDCG@10 R@100" data-main="average"' in boards["miracl"]
    assert [board for board, tag in boards.items() if "data-bias" in tag] == ["local-own"]


def test_a_leaderboard_of_one_beir_collection_alone(place, tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "partial").symlink_to(place / "reports" / "partial")
    boards = read_boards(tmp_path / "reports")
    assert "What the columns mean" not in render_leaderboard(boards)
    assert "rank distance" not in render_leaderboard_html(boards).split("<script")[2]


def test_compare_has_the_figures_that_there_are(place, babelrank):
    reports = ["--reports", place / "reports"]
    outcome = babelrank("compare", "bm25", "partial", *reports)
    assert outcome.code == 0, outcome.err
    assert "bm25 − partial on beir:set, nDCG@10" in outcome.out
    assert "Mo. ↑" in outcome.out
    for absent in ("Mul. ↑", "rank distance ↓"):
        assert absent not in outcome.out + outcome.err


@pytest.mark.parametrize("kind", ["heatmaps", "difference", "distance", "scatter", "scaling", "bars", "radar"])
def test_plots_of_one_language_say_that_there_is_nothing_to_draw(place, babelrank, kind):
    outcome = babelrank("plot", "partial", "--kind", kind, "--reports", place / "reports", "--format", "svg")
    assert outcome.code == 2
    assert "nothing to draw" in outcome.err


def test_plots_pass_over_collections_of_one_language(place, babelrank, tmp_path):
    outcome = babelrank("plot", "bm25", "-k", "bars", "-k", "heatmaps", "--reports", place / "reports", "-f", "svg")
    assert outcome.code == 0, outcome.err
    drawn = [path.name for path in (tmp_path / "plots").iterdir()]
    assert len(drawn) >= 2
    assert all("local.own" in name for name in drawn)


@pytest.mark.parametrize("name", ["csv", "latex", "trec", "mteb", "model-card"])
def test_a_report_of_one_collection_exports(place, babelrank, tmp_path, name):
    outcome = babelrank("export", "partial", "--format", name, "--reports", place / "reports", "--out", tmp_path)
    assert outcome.code == 0, outcome.err
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert all(path.stat().st_size for path in written)
    if name == "mteb":
        (mteb,) = tmp_path.rglob("beir.set.monolingual.json")
        scores = json.loads(mteb.read_text())["scores"]["test"][0]
        assert scores["main_score"] == scores["ndcg_at_10"]
    if name == "latex":
        assert [path.name for path in tmp_path.iterdir()] == ["monolingual.tex"]
    if name == "csv":
        settings, macro, bias = ((tmp_path / f"{table}.csv").read_text() for table in ("settings", "macro", "bias"))
        assert "monolingual" in settings
        assert "monolingual" in macro
        assert not any(word in settings + macro for word in ("multilingual", "rank_distance", "micro"))
        assert bias == "model,collection,query_lang,passage_lang,figure,value,n\n"
    if name == "model-card":
        assert "Mul." not in (tmp_path / "partial.md").read_text()


def test_the_terminal_shows_what_applies(place, babelrank, tmp_path):
    outcome = babelrank("submit", "bm25", "-c", f"beir:{place / 'set'}", "--out", tmp_path, "--store", place / "store")
    assert outcome.code == 0, outcome.err
    assert "nDCG@10 ↑" in outcome.out
    assert "monolingual, 1 setting" in outcome.out
    for absent in ("Mul.", "Rank distance"):
        assert absent not in outcome.out + outcome.err
