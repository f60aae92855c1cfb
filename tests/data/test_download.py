"""Downloading and verifying, against a web server on this machine."""

import errno
import hashlib
import socket

import pytest

from babelrank.data import download as fetch_module
from babelrank.data.catalog import Source
from babelrank.data.download import FileState, fetch, verify
from babelrank.errors import DataError

FILES = {"de.json": b'{"data": "Hallo"}', "en.json": b'{"data": "hello"}', "th.json": "สวัสดี".encode() * 10_000}


def digests(files):
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


@pytest.fixture
def site(serve):
    """A server with FILES at /tiny/; its `files` may be changed."""
    files = {f"/tiny/{name}": content for name, content in FILES.items()}

    def answer(path):
        return (200, {}, files[path]) if path in files else (404, {}, b"not found")

    with serve(answer) as site:
        site.files = files
        yield site


@pytest.fixture
def source(site):
    return Source("tiny", "three greetings", "CC0", "", f"{site.url}/tiny", digests(FILES))


@pytest.fixture
def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_everything_is_downloaded_into_an_empty_place(source, tmp_path):
    data = tmp_path / "not" / "yet" / "there"
    announced = []
    assert fetch(source, data, on_file=announced.append) == ["de.json", "en.json", "th.json"]
    assert {path.name: path.read_bytes() for path in (data / "tiny").iterdir()} == FILES
    assert announced == [data / "tiny" / name for name in FILES]
    assert verify(source, data) == dict.fromkeys(FILES, FileState.COMPLETE)


def test_only_what_is_missing_or_differs_is_downloaded(source, site, tmp_path):
    fetch(source, tmp_path)
    site.requests.clear()
    assert fetch(source, tmp_path) == []
    assert site.requests == []
    (tmp_path / "tiny" / "de.json").unlink()
    (tmp_path / "tiny" / "th.json").write_bytes(FILES["th.json"][:100])
    assert verify(source, tmp_path) == {
        "de.json": FileState.MISSING,
        "en.json": FileState.COMPLETE,
        "th.json": FileState.DIFFERS,
    }
    assert fetch(source, tmp_path) == ["de.json", "th.json"]
    assert site.requests == [("GET", "/tiny/de.json"), ("GET", "/tiny/th.json")]
    assert set(verify(source, tmp_path).values()) == {FileState.COMPLETE}


def test_nothing_is_kept_of_a_file_with_another_checksum_and_the_others_stay(source, site, tmp_path):
    site.files["/tiny/en.json"] = b"<html>Please log in.</html>"
    with pytest.raises(
        DataError,
        match=rf"{site.url}/tiny/en\.json: its SHA-256 is [0-9a-f]{{64}}, expected {source.sha256['en.json']}",
    ):
        fetch(source, tmp_path)
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == ["de.json"]
    site.files["/tiny/en.json"] = FILES["en.json"]
    assert fetch(source, tmp_path) == ["en.json", "th.json"]


def test_a_file_that_differs_is_left_alone_until_a_whole_one_has_come(source, site, tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "de.json").write_bytes(b"mine")
    site.files["/tiny/de.json"] = b"wrong"
    with pytest.raises(DataError, match="SHA-256"):
        fetch(source, tmp_path)
    assert (tmp_path / "tiny" / "de.json").read_bytes() == b"mine"


def test_a_file_that_the_server_has_not_is_named_with_the_options_that_help(source, site, tmp_path):
    del site.files["/tiny/en.json"]
    with pytest.raises(DataError, match=rf"{site.url}/tiny/en\.json: the server answered 404.*--data DIR"):
        fetch(source, tmp_path)
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == ["de.json"]


def test_a_download_that_breaks_off_leaves_nothing(serve, tmp_path):
    def answer(path):
        return 200, {"Content-Encoding": "gzip"}, b"no gzip at all"

    with serve(answer) as site:
        source = Source("tiny", "", "", "", f"{site.url}/tiny", digests(FILES))
        with pytest.raises(DataError, match=r"de\.json: cannot be reached"):
            fetch(source, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_the_options_are_named(tmp_path, closed_port):
    source = Source("tiny", "", "", "", f"http://127.0.0.1:{closed_port}/tiny", digests(FILES))
    with pytest.raises(DataError) as caught:
        fetch(source, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"http://127.0.0.1:{closed_port}/tiny/de.json: cannot be reached")
    assert all(part in message for part in ("--data DIR", "BABELRANK_DATA", "tiny/", "--mirror URL"))
    assert list(tmp_path.iterdir()) == []


def test_what_is_on_disk_needs_no_network(tmp_path, closed_port):
    (tmp_path / "tiny").mkdir()
    for name, content in FILES.items():
        (tmp_path / "tiny" / f"{name}").write_bytes(content)
    source = Source("tiny", "", "", "", f"http://127.0.0.1:{closed_port}/tiny", digests(FILES))
    assert fetch(source, tmp_path) == []


def test_a_mirror_takes_the_place_of_the_source(site, tmp_path):
    source = Source("tiny", "", "", "", "http://127.0.0.1:1/elsewhere", digests(FILES))
    assert fetch(source, tmp_path, mirror=f"{site.url}/") == ["de.json", "en.json", "th.json"]
    assert ("GET", "/tiny/de.json") in site.requests


@pytest.mark.parametrize("mirror", ["not a url", "ftp://127.0.0.1/x", "http://127.0.0.1:port/x"])
def test_a_mirror_that_is_no_web_address_is_refused(source, tmp_path, mirror):
    with pytest.raises(DataError, match=r"de\.json: cannot be reached"):
        fetch(source, tmp_path, mirror=mirror)


def test_a_redirection_is_followed(site, tmp_path, serve):
    with serve(lambda path: (302, {"Location": site.url + path}, b"")) as front:
        source = Source("tiny", "", "", "", f"{front.url}/tiny", digests(FILES))
        assert fetch(source, tmp_path) == ["de.json", "en.json", "th.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES], ids=["full", "read-only", "forbidden"])
def test_a_folder_that_takes_no_files_is_named_with_the_option(source, tmp_path, monkeypatch, number):
    import os

    def refuse(path, content):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(fetch_module, "atomic_write", refuse)
    with pytest.raises(
        DataError, match=rf"{tmp_path / 'tiny'}: cannot be written \({os.strerror(number)}\)\. .* with --data DIR"
    ):
        fetch(source, tmp_path)


def test_a_file_in_the_place_of_the_folder_is_named(source, tmp_path):
    (tmp_path / "tiny").write_text("a file", encoding="utf-8")
    with pytest.raises(DataError, match=r"tiny/de\.json: cannot be read \(Not a directory\)"):
        fetch(source, tmp_path)


def test_what_ships_with_the_package_needs_no_download(tmp_path):
    source = Source("shipped", "", "", "", "", {})
    assert verify(source, tmp_path) == {}
    assert fetch(source, tmp_path) == []
