"""Workers and clusters end with the process that started them; a cluster that is started here listens on loopback."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from engine_jobs import BEGIN_ENDLESS_TASKS
from paths import TESTS

PATIENCE = 120  # seconds; only a machine that is very busy needs more than a few


@pytest.fixture
def begin(tmp_path):
    """Start a program with two tasks that never end; return it and its child processes once both have begun."""
    (tmp_path / "program.py").write_text(BEGIN_ENDLESS_TASKS)
    started = []

    def start(engine):
        path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path, "RAY_ADDRESS": "127.0.0.1:9"}
        program = subprocess.Popen(
            [sys.executable, tmp_path / "program.py", tmp_path, engine],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        started.append(program)
        assert comes_true(lambda: len(list(tmp_path.glob("pid-*"))) == 2 or program.poll() is not None)
        assert program.poll() is None
        children = psutil.Process(program.pid).children(recursive=True)
        workers = {int(path.name.removeprefix("pid-")) for path in tmp_path.glob("pid-*")}
        assert workers <= {child.pid for child in children}
        return program, children

    yield start
    for program in started:
        program.kill()
        program.wait()


def comes_true(holds):
    """Return whether something holds in time."""
    until = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def have_ended(processes):
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)])
def test_no_worker_outlives_its_parent(begin, number, code):
    program, children = begin("local")
    program.send_signal(number)
    assert program.wait(PATIENCE) == code
    assert comes_true(lambda: have_ended(children))


def test_a_cluster_listens_on_loopback_whatever_ray_address_says_and_ends_in_order(begin):
    pytest.importorskip("ray")
    program, children = begin("ray")
    processes = [psutil.Process(program.pid), *children]
    listening = [
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    program.terminate()
    assert program.wait(PATIENCE) == 143
    assert comes_true(lambda: have_ended(children))


def test_no_process_of_a_cluster_outlives_a_parent_that_is_killed(begin):
    pytest.importorskip("ray")
    program, children = begin("ray")
    program.kill()
    assert comes_true(lambda: have_ended(children))
