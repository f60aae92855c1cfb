"""Submissions and leaderboards at the same time: nobody waits for ever, and nothing is lost or mixed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crash.children import figures, run
from made_collections import write_local
from paths import TESTS

ENCODERS = ("words", "collapsed", "hashed", "words")


def submission(encoder, name, *more):
    return ("submit", f"streamed_encoders:{encoder}", "-c", "local:own", "--store", "store", "--name", name, *more)


def at_once(folder, *commands):
    """Run commands at the same time."""
    with ThreadPoolExecutor(len(commands)) as threads:
        return list(threads.map(lambda command: run(*command, cwd=folder, path=[TESTS]), commands))


@pytest.fixture
def made(tmp_path):
    write_local(tmp_path / "own", passages=120)
    (tmp_path / "leaderboard.md").touch()
    return tmp_path


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Figures of each encoder, evaluated alone."""
    folder = tmp_path_factory.mktemp("alone")
    write_local(folder / "own", passages=120)
    for encoder in sorted(set(ENCODERS)):
        ended = run(*submission(encoder, encoder), cwd=folder, path=[TESTS])
        assert ended.status == 0, ended.errors
    return {Path(path).parent.name: found["collections"] for path, found in figures(folder).items()}


@pytest.mark.parametrize("count", [2, 4])
def test_different_models_with_leaderboards_between(made, alone, count):
    names = [f"model-{i}" for i in range(count)]
    commands = [submission(encoder, name) for encoder, name in zip(ENCODERS, names, strict=False)]
    ended = at_once(made, *commands, ("leaderboard",))
    assert all(each.status == 0 for each in ended[:count]), [each.errors for each in ended]
    assert ended[-1].status == 0 or "not a folder of reports" in ended[-1].errors  # it came before all reports
    found = {Path(path).parent.name: results["collections"] for path, results in figures(made).items()}
    assert found == {name: alone[encoder] for encoder, name in zip(ENCODERS, names, strict=False)}
    board = (made / "leaderboard.md").read_text(encoding="utf-8")
    assert all(name in board for name in names)
    assert run("leaderboard", "--check", cwd=made).status == 0


@pytest.mark.parametrize("count", [2, 4])
def test_the_same_model_in_memory_and_streamed(made, alone, count):
    ways = [(), ("--memory", "4GB")] * 2
    ended = at_once(made, *(submission("words", "model", *way) for way in ways[:count]))
    assert all(each.status == 0 for each in ended), [each.errors for each in ended]
    (found,) = figures(made).values()
    without = {"space": None}  # which streaming does not measure
    assert found["collections"]["local:own"] | without == alone["words"]["local:own"] | without
    assert "model" in (made / "leaderboard.md").read_text(encoding="utf-8")
    assert not list(made.rglob("*.part"))
