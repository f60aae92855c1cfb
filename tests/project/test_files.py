"""Files for those who join: they parse, name make targets that exist, and agree with pyproject.toml."""

import re
import tomllib

import pytest
import yaml

from babelrank import __version__
from paths import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(path):
    return [step for job in load(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", sorted(GITHUB.rglob("*.yml")), ids=lambda path: path.name)
def test_it_is_a_mapping_in_yaml(path):
    assert isinstance(load(path), dict)


@pytest.mark.parametrize(
    "path", [*WORKFLOWS, ROOT / ".ci" / "run", ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name
)
def test_make_targets_exist(path):
    called = re.findall(r"(?:^|run: |`|&& )\s*make ([a-z]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(called) <= TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_can_write_nothing_that_it_need_not(path):
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow[True]  # YAML 1.1 reads the key `on` so
    for job in workflow["jobs"].values():
        assert set(job.get("permissions", {})) <= {"pages", "id-token"}
    for step in steps(path):
        assert ("uses" in step) != ("run" in step)
        assert "secrets." not in str(step)
        assert "github.event" not in step.get("run", "")  # what others write must not become a command


def test_all_versions_of_python_are_tested():
    versions = load(GITHUB / "workflows" / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert [f"Programming Language :: Python :: {version}" for version in versions] == [
        each for each in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+", each)
    ]
    assert PROJECT["requires-python"] == f">={versions[0]}"


def test_forms_for_issues_ask_for_something():
    forms = [path for path in sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"]
    assert {path.stem for path in forms} == {"bug", "feature", "submit-a-model"}
    for form in map(load, forms):
        assert form["name"]
        assert form["description"]
        asked = [each for each in form["body"] if each["type"] != "markdown"]
        assert len({each["id"] for each in asked}) == len(asked)
        assert all(each["attributes"]["label"] for each in asked)
        assert any(each.get("validations", {}).get("required") for each in asked)


def test_the_citation_is_of_this_version():
    citation = load(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__ == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert all(citation[key] for key in ("message", "title", "authors"))


def test_hooks_are_pinned():
    for repository in load(ROOT / ".pre-commit-config.yaml")["repos"]:
        assert re.fullmatch(r"v\d+\.\d+\.\d+", repository["rev"])
        assert repository["hooks"]
