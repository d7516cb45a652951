"""The sweep on a real Dask cluster of two processes: the pool's tables, with and without a worker killed midway."""

import json
import os
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from loguru import logger

from mmactors.research.sweep import executors, grid, sweep
from mmactors.research.sweep.results import SESSIONS, SETS

distributed = pytest.importorskip("distributed", reason="needs the cluster extra")

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.e2e,
    # Dask leaves the sockets of a killed worker to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


def load(folder):
    path = folder / "g.yaml"
    tiny = {"session": "1M", "sessions": 2, "world_sessions": 1, "warm_up_s": 60, "seed": 5}
    parameters = {"quoting.spread": [0.02, 0.03], "quoting.size": [20, 30]}
    path.write_text(json.dumps({"config": str(ROOT / "conf" / "arena.yaml"), **tiny, "parameters": parameters}))
    return grid.load(path, {})


def tables(folder):
    return [pq.read_table(folder / name) for name in (SETS, SESSIONS)]


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    sweep.run(load(folder), folder, executors.Processes(2))
    return tables(folder)


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=60
    ) as there:
        yield there


def test_a_cluster_finds_what_the_pool_finds(tmp_path, pool, cluster):
    sweep.run(load(tmp_path), tmp_path, executors.Cluster(cluster.scheduler_address))
    assert tables(tmp_path) == pool


def test_a_worker_killed_midway_changes_nothing(tmp_path, pool, cluster):
    with distributed.Client(cluster, set_as_default=False) as client:
        victim = next(iter(client.run(os.getpid).values()))

    class Attacked(executors.Cluster):
        def play(self, units):
            results = super().play(units)
            yield next(result for result in results if result is not None)
            os.kill(victim, signal.SIGKILL)
            yield from results

    sweep.run(load(tmp_path), tmp_path, Attacked(cluster.scheduler_address))
    assert tables(tmp_path) == pool


def test_a_scheduler_that_goes_leaves_what_is_done_to_be_resumed(tmp_path, pool):
    cluster = distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=":0", silence_logs=60)

    class Deserted(executors.Cluster):
        def play(self, units):
            results = super().play(units)
            yield next(result for result in results if result is not None)
            cluster.close()
            yield from results

    try:
        with pytest.raises(
            executors.SweepStoppedError, match=r"the scheduler is gone; .* keeps what is done"
        ) as caught:
            sweep.run(load(tmp_path), tmp_path, Deserted(cluster.scheduler_address))
    finally:
        logger.enable("mmactors")  # its worker is in this process
    assert caught.value.exit_code == 69
    assert (tmp_path / sweep.UNITS).read_bytes().count(b"\n") == 1
    sweep.run(load(tmp_path), tmp_path, executors.Processes(2))
    assert tables(tmp_path) == pool


def test_a_worker_with_another_program_is_told(tmp_path, cluster, monkeypatch):
    monkeypatch.setattr(executors, "program_version", lambda: "0.0.9+other")
    with pytest.raises(
        executors.SweepStoppedError, match=r"a worker has mmactors .*, here is 0.0.9\+other; install the same"
    ):
        sweep.run(load(tmp_path), tmp_path, executors.Cluster(cluster.scheduler_address))
