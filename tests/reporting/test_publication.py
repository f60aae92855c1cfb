"""Publishing on the Hub, against a local server that takes commits as the Hub does."""

import os
import subprocess
import sys

import pytest
import yaml
from huggingface_hub import DatasetCard, SpaceCard, constants, parse_eval_result_entries

import babelrank
from babelrank.errors import ReportError
from babelrank.reporting.publication import evaluation_entries
from babelrank.reporting.report import write_report
from hub_uploads import uploading
from toy_reports import snapshot, toy_results

PATIENCE = 180  # seconds for a process on a busy machine


@pytest.fixture
def reports(tmp_path):
    for name in ("one", "two"):
        write_report(tmp_path / "reports", *toy_results(name=name))
    return tmp_path / "reports"


def publish(url, home, *words):
    """Run the command in a process of its own, as HF_ENDPOINT counts when huggingface_hub is imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    added = {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "hf_valid",
    }
    command = [sys.executable, "-m", "babelrank", "publish", *map(str, words)]
    return subprocess.run(command, env=kept | added, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_a_dry_run_lists_the_files_and_uploads_nothing(reports):
    before = snapshot(reports)
    dataset, space = babelrank.publish("team/board", reports, dry_run=True)
    assert (dataset.kind, space.kind, space.url) == ("dataset", "space", "https://huggingface.co/spaces/team/board")
    assert {"README.md", "reports/one/results.json", "reports/two/xquad-r.ranks.parquet"} <= set(dataset.files)
    assert {"README.md", "index.html", "leaderboard.html", "reports/one/report.html"} <= set(space.files)
    assert snapshot(reports) == before


def test_both_repositories_have_what_the_hub_needs(reports, tmp_path):
    hub = tmp_path / "hub"
    with uploading(hub) as url:
        first = publish(url, tmp_path / "home", "team/board", "--reports", reports, "--title", "Our board")
        assert first.returncode == 0, first.stderr
        stale, other = (hub / "datasets/team/board" / name for name in ("reports/gone/results.json", "notes.txt"))
        for path in (stale, other):
            path.parent.mkdir(exist_ok=True)
            path.write_text("{}")
        again = publish(url, tmp_path / "home", "team/board", "--reports", reports)
        assert again.returncode == 0, again.stderr
    assert not stale.exists()
    assert other.exists()
    dataset, space = hub / "datasets/team/board", hub / "spaces/team/board"
    card = SpaceCard((space / "README.md").read_text())
    assert (card.data.sdk, card.data.app_file, (space / card.data.app_file).is_file()) == ("static", "index.html", True)
    configs = DatasetCard((dataset / "README.md").read_text()).data.configs
    assert {"config_name": "xquad-r.ranks", "data_files": "reports/*/xquad-r.ranks.parquet"} in configs
    assert (dataset / "reports/one/results.json").read_bytes() == (reports / "one/results.json").read_bytes()
    entries = parse_eval_result_entries(yaml.safe_load((dataset / "eval_results/one.yaml").read_text()))
    assert {entry.task_id for entry in entries} >= {"xquad-r/monolingual", "xquad-r/multilingual"}


def test_evaluation_entries_are_the_macro_scores():
    results = toy_results()[0]
    entries = {each.task_id: each for each in parse_eval_result_entries(evaluation_entries(results, "team/board"))}
    assert entries["xquad-r/multilingual"].value == results.collections["xquad-r"].macro["multilingual"]["mAP"]
    assert entries["xquad-r/multilingual"].dataset_id == "team/board"


@pytest.mark.parametrize(
    ("token", "refuses", "says"),
    [("", "", "hf auth login"), ("hf_other", "", "cannot be written"), ("hf_valid", "No room left.", "No room left.")],
)
def test_what_the_hub_refuses_is_said_in_a_sentence(reports, tmp_path, monkeypatch, token, refuses, says):
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with uploading(tmp_path / "hub", refuses) as url:
        monkeypatch.setattr(constants, "ENDPOINT", url)
        with pytest.raises(ReportError, match=says):
            babelrank.publish("team/board", reports)


@pytest.mark.parametrize("name", ["board", "team/board/more", "team/bo ard", "", "team/"])
def test_a_name_that_the_hub_would_not_take_is_refused(reports, name):
    with pytest.raises(ReportError, match=r"ORG/NAME|not a name"):
        babelrank.publish(name, reports, dry_run=True)


def test_no_reports_are_nothing_to_publish(tmp_path):
    (tmp_path / "reports").mkdir()
    with pytest.raises(ReportError, match="no reports"):
        babelrank.publish("team/board", tmp_path / "reports", dry_run=True)
