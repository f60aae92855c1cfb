"""A real Ray cluster of two nodes on this machine: the same results to the bit, also when a node is killed midway."""

import threading
import time

import pandas as pd
import pytest

from babelrank.engines.opening import open_engine
from babelrank.engines.ray_cluster import RayCluster
from babelrank.errors import EngineError
from babelrank.pipelines.modes import Streaming
from babelrank.pipelines.submission import submit
from engine_jobs import GpusSeen
from made_collections import folder_of_shards, write_local
from observers import RecordingObserver
from paths import TESTS
from streamed_encoders import FOLDER

pytest.importorskip("ray")
# Ray's own: sockets and log files that it leaves to the end of the process, and notices of changes to come.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

_STORE_BYTES = 80 * 2**20
_HEALTH_CHECKS = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500}  # a dead node is noticed sooner


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    """Two nodes with one core each."""
    from ray.cluster_utils import Cluster

    monkeypatch.chdir(TESTS)
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    node = {"num_cpus": 1, "object_store_memory": _STORE_BYTES}
    made = Cluster(
        initialize_head=True, head_node_args={**node, "include_dashboard": False, "_system_config": _HEALTH_CHECKS}
    )
    second = made.add_node(**node)
    try:
        yield made, second
    finally:
        made.shutdown()


def evaluate(tmp_path, name, streaming):
    """Return the rank table and the shards of a made collection in three languages."""
    folder = tmp_path / "own"
    if not folder.exists():
        write_local(folder, 2500)
    store = tmp_path / f"store of {name}"
    encoder = "streamed_encoders:slow" if streaming.engine == "ray" else "streamed_encoders:words"
    report = submit(
        encoder, [f"local:{folder}"], tmp_path / name, RecordingObserver(), store=store, streaming=streaming
    ).folder
    tables = [pd.read_parquet(path) for path in sorted(report.glob("*.parquet"))]
    shards = {path.name: path.read_bytes() for path in folder_of_shards(store).glob("*.safetensors")}
    return tables, shards


def test_a_node_that_is_killed_midway_changes_nothing_to_the_bit(cluster, tmp_path):
    made, second = cluster
    killed = []

    def count_shards():
        return len(list(tmp_path.glob("store*/*/*.safetensors")))

    def count_workers():
        return len({path.name.split("-")[1] for path in tmp_path.glob("begun-*")})

    def kill_midway():
        until = time.monotonic() + 300
        while (count_shards() < 3 or count_workers() < 2) and time.monotonic() < until:
            time.sleep(0.02)
        made.remove_node(second, allow_graceful=False)
        killed.append(count_shards())

    killer = threading.Thread(target=kill_midway)
    killer.start()
    try:
        tables, shards = evaluate(tmp_path, "ray", Streaming(engine="ray", address=made.address))
    finally:
        killer.join()
    expected, expected_shards = evaluate(tmp_path, "alone", Streaming(workers=1))
    assert 3 <= killed[0] < len(shards) == 10
    assert count_workers() >= 2  # both nodes were at it
    assert shards == expected_shards
    for table, same in zip(tables, expected, strict=True):
        pd.testing.assert_frame_equal(table, same, check_exact=True)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_cluster_that_cannot_be_reached_is_named(address):
    with (
        pytest.raises(EngineError, match=rf"the Ray cluster at {address} cannot be reached .*refused"),
        RayCluster(address),
    ):
        pass


@pytest.mark.parametrize("address", ["head", "head:port", ""])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(EngineError, match=r"expected HOST:PORT|cannot be reached"), open_engine("ray", address=address):
        pass


def test_tasks_that_use_a_gpu_get_one_each_on_the_machines_that_have_some(monkeypatch, tmp_path):
    from ray.cluster_utils import Cluster

    monkeypatch.chdir(TESTS)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", str(TESTS))  # where the workers find the job
    node = {"object_store_memory": _STORE_BYTES}
    made = Cluster(initialize_head=True, head_node_args={**node, "num_cpus": 4, "include_dashboard": False})
    try:
        made.add_node(**node, num_cpus=2, num_gpus=2)
        with RayCluster(made.address) as cluster:
            seen = {}
            cluster.run(GpusSeen(tmp_path, 2, uses_gpu=True), range(2), seen.__setitem__)
            assert sorted(seen.values()) == ["0", "1"]
    finally:
        made.shutdown()
