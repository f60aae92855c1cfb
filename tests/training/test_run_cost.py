"""The processor time of training runs."""

import json
import time

import pytest

from babelrank.checkpoints import AVERAGED_WITH, METADATA_FILE, training_cost
from babelrank.environment import cpu_seconds, hardware
from babelrank.training import run as runs
from babelrank.training.averaging import average_checkpoints
from training_runs import read_metadata, run


def test_the_processor_time_of_a_run_is_in_its_checkpoint(write_config, tmp_path):
    began = cpu_seconds()
    folder, _ = run(write_config())
    spent = cpu_seconds() - began
    seconds, where = training_cost(folder)
    assert 0 < seconds <= round(spent, 1) + 0.1
    assert where == hardware("cpu")
    averaged = average_checkpoints([folder, folder], tmp_path / "averaged")
    assert len(read_metadata(averaged)[AVERAGED_WITH]) == 1
    assert training_cost(averaged) == (2 * seconds, where)


def test_time_before_an_interruption_counts(write_config, monkeypatch, tmp_path):
    """Also that of a process which was killed, up to its last checkpoint."""
    path = write_config(engine="save_every = 2")
    with monkeypatch.context() as patched:
        patched.setattr(runs, "_choose_step", lambda *_: 1 / 0)  # after training
        with pytest.raises(ZeroDivisionError):
            run(path)
    noted = tmp_path / "checkpoint.training" / "cpu_seconds.0.json"
    assert json.loads(noted.read_text()) > 0
    noted.write_text("1000.5")
    folder, _ = run(path)
    assert 1000.5 <= read_metadata(folder)["cpu_seconds"] < 1100


def test_the_cost_of_a_run_that_an_earlier_version_began_is_unknown(write_config, monkeypatch, tmp_path):
    path = write_config(engine="save_every = 2")
    with monkeypatch.context() as patched:
        patched.setattr(runs, "_choose_step", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(path)
    (tmp_path / "checkpoint.training" / "cpu_seconds.0.json").unlink()
    folder, _ = run(path)
    assert read_metadata(folder)["cpu_seconds"] is None
    assert training_cost(folder) is None


@pytest.mark.parametrize("metadata", [None, "{", "[]", '{"cpu_seconds": 5}'])
def test_what_is_no_checkpoint_has_no_cost(tmp_path, metadata):
    if metadata is not None:
        (tmp_path / METADATA_FILE).write_text(metadata, encoding="utf-8")
    assert training_cost(tmp_path) is None


def test_processor_time_is_not_the_time_of_the_clock():
    before = cpu_seconds()
    time.sleep(0.2)
    assert cpu_seconds() - before < 0.1
