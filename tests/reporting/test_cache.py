"""What is kept between leaderboards: damage is noticed, and what was kept is computed again."""

import json

import pytest

from babelrank.reporting.cache import FILE_NAME, open_cache


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("0.25", "0.35"),
        lambda text: text[:-9],
        lambda text: "[" * 5000,
        lambda text: json.dumps({**json.loads(text), "values": []}),
    ],
)
def test_a_damaged_cache_is_not_believed(tmp_path, damage):
    path = tmp_path / FILE_NAME
    with open_cache(tmp_path) as cache:
        assert cache.once("figure", lambda: 0.25) == 0.25
    with open_cache(tmp_path) as cache:
        assert cache.once("figure", lambda: 0.5) == 0.25
    path.write_text(damage(path.read_text()))
    with open_cache(tmp_path) as cache:
        assert cache.once("figure", lambda: 0.5) == 0.5
