"""The documentation: every public name has an entry, its commands exist, and its examples run."""

import ast
import json
import re
import shlex

import matplotlib as mpl
import pytest
import typer

import babelrank
from babelrank.cli import app
from paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.fixture(autouse=True)
def no_window_and_no_store(monkeypatch, tmp_path):
    mpl.use("agg")
    monkeypatch.setenv("BABELRANK_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(ROOT)


def test_every_public_name_has_an_entry():
    entries = re.findall(r"^::: babelrank\.(\w+)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.M)
    names = set(babelrank.__all__) - {"__version__"}
    assert sorted(entries) == sorted(names), f"docs/api.md lacks or repeats {sorted(names ^ set(entries))}"


def commands_of(page):
    """Yield the words of each command of babelrank in a page's blocks of code."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:console|bash)\n(.*?)```", text, re.S) + re.findall(r"(?:^    .*\n)+", text, re.M)
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        command = line.strip().removeprefix("$ ")
        if command.startswith("babelrank "):
            yield shlex.split(command, comments=True)[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page):
    for words in commands_of(page):
        command = typer.main.get_command(app)
        while hasattr(command, "commands"):
            assert words[0] in command.commands, f"{page.name}: babelrank {words[0]}"
            command, words = command.commands[words[0]], words[1:]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
        used = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert used <= known, f"{page.name}: babelrank {command.name}"


def test_pages_name_some_commands():
    assert {words[0] for page in PAGES for words in commands_of(page)} >= {"submit", "compare", "train", "data"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            in_docs = page.parent / target
            assert in_docs.exists() or (ROOT / target).exists() or target == "cli.md", f"{page.name}: {target}"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_notebooks_run(notebook):
    names = {}
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        assert not cell.get("outputs"), "notebooks are kept without outputs; the documentation's build runs them"
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(notebook), "exec"), names)
    assert any(isinstance(value, babelrank.Result) for value in names.values())


def test_the_adapter_of_the_guide_can_be_evaluated():
    page = (ROOT / "docs" / "add-an-adapter.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.S).group(1)
    names = {}
    exec(compile(ast.parse(code), "add-an-adapter.md", "exec"), names)
    encoder = names["ADAPTER"].load("shouting", babelrank.EncoderOptions())
    assert encoder.encode_query(["ABBA", "c"])[:, :2].tolist() == [[2, 2], [0, 0]]
    assert names["ADAPTER"].recognises("shouting", babelrank.EncoderOptions())


def test_the_collection_of_the_guide_can_be_read(tmp_path):
    page = (ROOT / "docs" / "evaluate-your-data.md").read_text(encoding="utf-8")
    queries, passages = re.findall(r"```json\n(.*?)```", page, re.S)
    qrels, table = (re.search(rf"```{kind}\n(.*?)```", page, re.S).group(1) for kind in ("text", "csv"))
    for name, text in (("queries.jsonl", queries), ("passages.jsonl", passages), ("qrels.tsv", qrels)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "faq.csv").write_text(table, encoding="utf-8")
    for spec in (f"local:{tmp_path}", f"local:{tmp_path / 'faq.csv'}"):
        collection = babelrank.load_collection(spec)
        assert len(collection.qrels) == 4
        assert collection.pool_sizes == {"de": 1, "en": 1}
