"""Whatever is damaged in the store of vectors, the figures are those of a fresh one."""

import shutil

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from babelrank.errors import BabelrankError
from babelrank.pipelines.modes import Streaming
from babelrank.pipelines.submission import submit
from crash.children import KILLS, SEED, figures
from fuzz.mutations import mutated
from fuzz.readers import write
from made_collections import write_local
from observers import RecordingObserver
from paths import TESTS
from toy_reports import snapshot


@pytest.mark.parametrize("streaming", [None, Streaming(memory=16 * 10**9)], ids=["in memory", "streamed"])
def test_no_figure_is_wrong(tmp_path, monkeypatch, streaming):
    monkeypatch.chdir(TESTS)  # where the encoder is found
    own = write_local(tmp_path / "own", passages=120)
    store, reports = tmp_path / "store", tmp_path / "reports"

    def evaluate():
        shutil.rmtree(reports, ignore_errors=True)
        told = RecordingObserver()
        submit("streamed_encoders:words", [f"local:{own}"], reports, told, store=store, streaming=streaming)
        return figures(reports)

    expected = evaluate()
    whole = snapshot(store)
    assert whole
    refused = tried = 0

    @settings(max_examples=KILLS or 6, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @seed(SEED)
    @given(mutated(whole))
    def damage(changed):
        nonlocal refused, tried
        shutil.rmtree(store)
        write(store, changed)
        tried += 1
        try:
            assert evaluate() == expected
        except BabelrankError:
            refused += 1

    damage()
    assert refused <= 1 + tried // 4  # such as a folder in the place of a file
