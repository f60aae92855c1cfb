"""Where Numba keeps what it compiles, on machines where its own places cannot be written."""

import os
from pathlib import Path

import pytest

from babelrank import environment
from babelrank.environment import provide_compile_cache


@pytest.fixture(autouse=True)
def without_variable(monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    yield
    os.environ.pop("NUMBA_CACHE_DIR", None)


def allow(monkeypatch, *folders):
    monkeypatch.setattr(environment, "_is_writable", lambda folder: folder in folders)


def test_numba_keeps_its_own_place_where_one_can_be_written(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for folder in (Path(environment.__file__).parent, tmp_path / ".cache"):
        allow(monkeypatch, folder)
        provide_compile_cache()
        assert "NUMBA_CACHE_DIR" not in os.environ


def test_a_place_that_the_user_names_is_left(monkeypatch):
    allow(monkeypatch)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/named")
    provide_compile_cache()
    assert os.environ["NUMBA_CACHE_DIR"] == "/named"


def test_without_a_home_there_is_a_temporary_folder_of_ones_own(monkeypatch):
    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    allow(monkeypatch)
    provide_compile_cache()
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0
