"""Pages have no fault that axe-core finds: https://github.com/dequelabs/axe-core."""

import json
import shutil

import pytest

from babelrank.reporting.site import build_site
from browsing import PHONE, REPORTS, WIDE

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
EXPERIMENT = """
title = "Two seeds"
text = "Two runs."
collections = ["xquad-r:ar,de,el,en,vi"]
start = "one"
runs = [{label = "one", report = "scarce-data-base"}, {label = "two", report = "scarce-data-distilled-0.1"}]
claims = [{text = "Two is better", run = "two", better_than = ["one"], figure = "multilingual"}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The site of two real reports on two small collections, of several languages and of one, and an experiment."""
    project = tmp_path_factory.mktemp("project")
    for name in ("scarce-data-base", "scarce-data-distilled-0.1"):
        shutil.copytree(REPORTS / name, project / "reports" / name)
        path = project / "reports" / name / "results.json"
        results = json.loads(path.read_bytes())
        for other in [each for each in results["collections"] if each.startswith("afriqa")]:
            del results["collections"][other]
        path.write_text(json.dumps(results))
    experiment = project / "experiments" / "seeds" / "experiment.toml"
    experiment.parent.mkdir(parents=True)
    experiment.write_text(EXPERIMENT)
    return build_site(project / "reports", project / "experiments", project / "site").parent


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize(
    "name",
    ["index.html", "leaderboard.html", "reports/seeds.html", "reports/scarce-data-base/report.html"],
)
def test_axe_finds_nothing(visit, name, viewport):
    found = axe.Axe().run(visit(name, viewport=viewport)).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
