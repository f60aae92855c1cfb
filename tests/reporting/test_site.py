"""The static site: built from reports alone, for any host."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from babelrank.errors import ReportError
from babelrank.reporting.report import write_report
from babelrank.reporting.site import build_site
from toy_reports import full_disk, snapshot, toy_results

EXPERIMENT = """
title = "Two *seeds*"
text = '''First, see `babelrank train`.

Then <script>alert(1)</script> and [a link](javascript:alert(1)).'''
collections = ["xquad-r"]
start = "one"
runs = [{label = "one", report = "one"}, {label = "two", report = "two", repeats = ["three"], config = "two.toml"}]
claims = [{text = "Two is better", run = "two", better_than = ["one"], figure = "multilingual"}]
"""


class Links(HTMLParser):
    """Addresses that a page leads to, and the ids that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.addresses += [found[name] for name in ("href", "src") if name in found and tag != "link"]
        self.ids.add(found.get("id"))


@pytest.fixture
def project(tmp_path) -> Path:
    """Three reports, and an experiment about them."""
    for name in ("one", "two", "three"):
        write_report(tmp_path / "reports", *toy_results(name=name))
    folder = tmp_path / "experiments" / "seeds"
    folder.mkdir(parents=True)
    (folder / "experiment.toml").write_text(EXPERIMENT)
    (folder / "two.toml").write_text("")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "model.safetensors").write_bytes(b"large")
    return tmp_path


def build(project: Path) -> Path:
    return build_site(project / "reports", project / "experiments", project / "site").parent


def test_every_link_leads_to_a_file_of_the_site(project):
    site = build(project)
    # On another host, under a path, without what it was made from.
    moved = project / "elsewhere" / "path"
    shutil.move(site, moved)
    shutil.rmtree(project / "reports")
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in moved.rglob("*.html")}
    assert {str(path.relative_to(moved)) for path in pages} == {
        "index.html",
        "leaderboard.html",
        "reports/seeds.html",
        *(f"reports/{name}/report.html" for name in ("one", "two", "three")),
    }
    for path, page in pages.items():
        for address in page.addresses:
            parts = urlsplit(address)
            assert not parts.scheme, address
            assert not parts.netloc, address
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_relative_to(moved), address
            assert target.is_file(), address
            if parts.fragment and target.suffix == ".html":
                assert unquote(parts.fragment) in pages[target].ids, address


def test_every_report_is_reached_from_the_index(project):
    site = build(project)
    seen, found = set(), {site / "index.html"}
    while found - seen:
        page = (found - seen).pop()
        seen.add(page)
        for address in Links(page.read_text(encoding="utf-8")).addresses:
            target = (page.parent / unquote(urlsplit(address).path)).resolve()
            if target.suffix == ".html":
                found.add(target)
    assert seen == {path.resolve() for path in site.rglob("*.html")}


def test_pages_of_experiments_have_their_figures_and_texts_of_others_stay_texts(project):
    page = (build(project) / "reports" / "seeds.html").read_text(encoding="utf-8")
    assert "<code>babelrank train</code>" in page
    assert "<script>alert" not in page
    assert "javascript:" not in re.sub(r"<p>.*?</p>", "", page, flags=re.DOTALL)
    assert 'href="javascript' not in page
    assert '<a href="two/report.html">two</a> <small>mean of 2 seeds</small>' in page
    assert "Two is better" in page


def test_the_reports_stay_as_they_are_and_nothing_large_is_copied(project):
    before = snapshot(project / "reports")
    site = build(project)
    assert snapshot(project / "reports") == before
    assert not list(site.rglob("*.safetensors"))
    assert not list(site.rglob(".*"))
    first = snapshot(site)
    assert snapshot(build(project)) == first


def test_without_experiments_and_reports_there_is_an_index(tmp_path):
    (tmp_path / "reports").mkdir()
    index = build_site(tmp_path / "reports", tmp_path / "experiments", tmp_path / "site")
    assert "Experiments" not in index.read_text(encoding="utf-8")


def test_a_site_within_the_reports_is_refused(project):
    with pytest.raises(ReportError, match="cannot be inside the folder of reports"):
        build_site(project / "reports", project / "experiments", project / "reports" / "site")


def test_a_place_that_cannot_be_written_is_named(project, monkeypatch):
    (project / "site").write_text("")
    with pytest.raises(ReportError, match="site: cannot be written"):
        build(project)
    (project / "site").unlink()
    monkeypatch.setattr("babelrank.reporting.site.atomic_write", full_disk)
    with pytest.raises(ReportError, match="No space left"):
        build(project)


def test_the_command_builds_it(project, babelrank):
    outcome = babelrank("site", project / "site", "--reports", project / "reports")
    assert outcome.code == 0, outcome.err
    assert f"site: {project / 'site' / 'index.html'}" in outcome.out
