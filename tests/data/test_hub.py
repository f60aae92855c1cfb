"""Collections on the Hub, against a server on this machine that speaks the Hub's protocol for files."""

import gzip
import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from babelrank.data.loading import load_collection
from babelrank.data.miracl import load_miracl, topics_pattern

COMMIT = "c" * 40
PATIENCE = 180  # seconds for a process on a busy machine
CORPUS = [{"_id": "d1", "title": "Ann", "text": "Ann ran."}, {"_id": "2", "title": "", "text": "Bob sat."}]
QUERIES = [{"_id": "q1", "text": "Who ran?"}, {"_id": "q2", "text": "Unjudged?"}]

LOAD = """
import json, sys
from pathlib import Path
from babelrank.data.loading import load_collection
from babelrank.data.spec import parse_specs
from babelrank.errors import BabelrankError
for text in sys.argv[2:]:
    try:
        for spec in parse_specs([text]):
            loaded = load_collection(spec, Path(sys.argv[1]))
            told = [loaded.name, len(loaded.queries), len(loaded.qrels), len(loaded.passages), loaded.sha256]
            print(json.dumps(told))
    except BabelrankError as error:
        print(json.dumps({"error": str(error)}))
"""


def repositories(folders):
    """Answer as huggingface.co does, for data repositories in folders."""

    def answer(path):
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "datasets"]:
            root = folders.get("/".join(parts[2:4]))
            if root is None:
                return 404, {"X-Error-Code": "RepoNotFound"}, b""
            files = sorted(file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file())
            told = {"id": "/".join(parts[2:4]), "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
            return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()
        file = folders["/".join(parts[1:3])] / "/".join(parts[5:])  # /datasets/ORG/NAME/resolve/REV/FILE
        return 200, {"ETag": f'"{hash(file):x}"', "X-Repo-Commit": COMMIT}, file.read_bytes()

    return answer


def load_from(url, home, data, *names):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment = kept | {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", LOAD, str(data), *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.fixture
def beir(tmp_path):
    """Two repositories as BeIR has them (passages in Parquet), and the same collection loaded from one folder."""
    corpus, qrels, whole = (tmp_path / name for name in ("tiny-there", "tiny-qrels-there", "tiny"))
    for folder in (corpus / "corpus", qrels, whole / "qrels"):
        folder.mkdir(parents=True)
    pd.DataFrame(CORPUS).to_parquet(corpus / "corpus" / "tiny-corpus.parquet")
    (whole / "corpus.jsonl").write_text(lines(CORPUS))
    for folder in (corpus, whole):
        (folder / "queries.jsonl.gz").write_bytes(gzip.compress(lines(QUERIES).encode()))
    for folder in (qrels, whole / "qrels"):
        (folder / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    hub = {
        f"{owner}/tiny{end}": folder for owner in ("BeIR", "acme") for end, folder in (("", corpus), ("-qrels", qrels))
    }
    return hub, load_collection(f"beir:{whole}")


@pytest.fixture
def miracl(tmp_path):
    """Both of MIRACL's repositories with two made shards, and the same collection loaded from folders."""
    topics, corpus = tmp_path / "miracl", tmp_path / "miracl-corpus"
    for kind, content in (("topics", "1\tNani?\n"), ("qrels", "1\tQ0\t7#0\t1\n1\tQ0\t8#1\t0\n")):
        path = topics / topics_pattern("sw", kind)
        path.parent.mkdir(parents=True)
        path.write_text(content)
    shards = corpus / "miracl-corpus-v1.0-sw"
    shards.mkdir(parents=True)
    for shard in (7, 8):
        records = [{"docid": f"{shard}#{i}", "title": "", "text": f"text {i}"} for i in range(2)]
        (shards / f"docs-{shard}.jsonl.gz").write_bytes(gzip.compress(lines(records).encode()))
    return {"miracl/miracl": topics, "miracl/miracl-corpus": corpus}, load_miracl("sw", tmp_path, folder=tmp_path)


def counts(streamed):
    return [len(streamed.queries), len(streamed.qrels), len(streamed.passages), streamed.sha256]


def resolved(site):
    """Return (commit, file) of every file that was asked for."""
    paths = [path.split("/") for _, path in site.requests if "/resolve/" in path]
    return {(parts[5], parts[-1]) for parts in paths}


def test_collections_on_the_hub_are_the_same_as_in_folders(beir, miracl, tmp_path, serve):
    (beir_hub, local), (miracl_hub, swahili) = beir, miracl
    names = ["beir:tiny", "beir:acme/tiny", "beir:none", "miracl:sw", "miracl:te"]
    with serve(repositories(beir_hub | miracl_hub)) as site:
        found, other, unknown, sw, te = load_from(site.url, tmp_path / "home", tmp_path / "data", *names)
        assert {commit for commit, _ in resolved(site)} == {COMMIT}
    assert found == ["beir:tiny", *counts(local)]
    assert other == ["beir:acme/tiny", *counts(local)]
    assert unknown["error"].startswith("BeIR/none: no such folder here, and not found on the Hub (")
    assert sw == ["miracl:sw", *counts(swahili)]
    assert te["error"].startswith("miracl/miracl: found no miracl-v1.0-te/topics/")


def test_all_languages_of_a_repository_are_one_collection(tmp_path, serve):
    folder = tmp_path / "made"
    for lang in ("de", "en"):
        for part, table in {
            "corpus": CORPUS,
            "queries": QUERIES,
            "qrels": [{"query-id": "q1", "corpus-id": "d1", "score": 1}],
        }.items():
            path = folder / f"{lang}-{part}" / "test-00000-of-00001.parquet"
            path.parent.mkdir(parents=True)
            pd.DataFrame(table).to_parquet(path)
    names = ["hf:acme/made", "hf:acme/made:de", "hf:acme/made:fr", "hf:acme/none", "hf:none"]
    with serve(repositories({"acme/made": folder})) as site:
        both, german, unknown, nowhere, no_folder = load_from(site.url, tmp_path / "home", tmp_path / "data", *names)
        assert {commit for commit, _ in resolved(site)} == {COMMIT}
    assert both == ["hf:acme/made", *counts(load_collection(f"hf:{folder}"))]
    assert german == ["hf:acme/made:de", *counts(load_collection(f"hf:{folder}:de"))]
    assert unknown["error"].startswith("acme/made: unknown subset 'fr'.")
    assert nowhere["error"].startswith("acme/none: no such folder here, and not found on the Hub (")
    assert no_folder["error"] == "none: no such folder."


def test_only_what_is_not_here_comes_from_the_hub(miracl, tmp_path, serve):
    hub, local = miracl
    data = tmp_path / "data"
    (data / "miracl").mkdir(parents=True)
    (tmp_path / "miracl" / "miracl-v1.0-sw").rename(data / "miracl" / "miracl-v1.0-sw")
    with serve(repositories(hub)) as site:
        (found,) = load_from(site.url, tmp_path / "home", data, "miracl:sw")
        assert {name for _, name in resolved(site)} == {"docs-7.jsonl.gz", "docs-8.jsonl.gz"}
    assert found == ["miracl:sw", *counts(local)]


def test_without_a_network_it_is_told_what_was_looked_for(tmp_path):
    address = "http://127.0.0.1:9"  # nobody answers there
    beir, miracl = load_from(address, tmp_path / "home", tmp_path / "data", "beir:tiny", "miracl:sw")
    assert beir["error"].startswith("BeIR/tiny: no such folder here, and not found on the Hub (")
    assert miracl["error"].startswith("miracl/miracl: no such folder here, and not found on the Hub (")
