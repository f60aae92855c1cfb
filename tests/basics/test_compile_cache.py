"""Where caches, collections and compiled code go on machines where the usual places cannot be written."""

import os
import shutil
from pathlib import Path

import pytest

from babelrank import environment
from babelrank.environment import provide_compile_cache, user_cache_path, user_data_path


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


def test_a_place_that_the_user_names_is_left(monkeypatch, caplog):
    allow(monkeypatch, Path("/named"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/named")
    provide_compile_cache()
    assert os.environ["NUMBA_CACHE_DIR"] == "/named"
    assert not caplog.records


@pytest.mark.parametrize("is_full", [False, True])
def test_a_place_that_is_full_or_cannot_be_written_is_named_and_replaced(monkeypatch, tmp_path, caplog, is_full):
    named = tmp_path / "named"
    allow(monkeypatch, *([named] if is_full else []))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda _: usage._replace(free=1000 if is_full else 10**12))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(named))
    provide_compile_cache()
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder != named
    assert folder.is_dir()
    (record,) = caplog.records
    assert record.getMessage() == f"NUMBA_CACHE_DIR: {named} cannot be written or is full; using {folder}."


def test_without_a_home_there_is_a_temporary_folder_of_ones_own(monkeypatch):
    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    allow(monkeypatch)
    provide_compile_cache()
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0


@pytest.fixture
def no_home(monkeypatch, tmp_path):
    """The temporary folder of a user who has no other."""
    monkeypatch.setattr(environment.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(environment.tempfile, "tempdir", str(tmp_path))
    allow(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", "/nonexistent/cache")
    monkeypatch.setenv("XDG_DATA_HOME", "/nonexistent/data")
    environment._fall_back.cache_clear()
    yield tmp_path / f"babelrank-{os.getuid()}"
    environment._fall_back.cache_clear()


def test_caches_and_collections_go_to_a_temporary_folder_and_the_variable_is_named(no_home, caplog):
    assert user_cache_path("BABELRANK_STORE") == user_cache_path("BABELRANK_STORE") == no_home / "cache"
    assert user_data_path("BABELRANK_DATA") == no_home / "data"
    assert [record.getMessage() for record in caplog.records] == [
        f"the home folder is not writable; using {no_home / kind}. Set {variable} to use another folder."
        for kind, variable in (("cache", "BABELRANK_STORE"), ("data", "BABELRANK_DATA"))
    ]
    assert no_home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "prepare", [lambda path: path.mkdir(mode=0o777), lambda path: path.symlink_to("/"), Path.touch]
)
def test_a_temporary_folder_in_which_others_have_a_hand_is_not_used(no_home, prepare):
    prepare(no_home)
    if no_home.is_dir() and not no_home.is_symlink():
        no_home.chmod(0o777)
    used = user_cache_path("BABELRANK_STORE").parent
    assert used != no_home
    assert used.stat().st_mode & 0o777 == 0o700


def test_collections_that_can_only_be_read_are_read(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "babelrank").mkdir()
    allow(monkeypatch)
    assert user_data_path("BABELRANK_DATA") == tmp_path / "babelrank"


def test_a_folder_that_may_not_be_looked_into_cannot_be_written(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    assert not environment._is_writable(tmp_path / "x")
