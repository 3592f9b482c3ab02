"""A sweep on two Ray nodes of one machine, one of which is killed in the middle."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stripe.errors import StripeError
from stripe.reproduce.engines import Ray
from stripe.reproduce.paper.catalogue import exhibit
from stripe.reproduce.paper.scales import SCALES
from stripe.reproduce.reproduction import reproduction
from stripe.reproduce.store.runs import StoredRun

FASHION = {"cifar100": "fashion_mnist"}

pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # what Ray and its libraries warn of


@pytest.fixture
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    made: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield made
    made.shutdown()


def runs_of(name: str, store: Path, root: Path, epochs: int) -> list[StoredRun]:
    fields = {**(SCALES["test"].fields or {}), "epochs": epochs, "batch_size": 16}
    tiny = replace(SCALES["test"], data=FASHION, fields=fields)
    return reproduction(exhibit(name), tiny, store=store, data_root=root).needed


@pytest.mark.slow
def test_a_node_is_killed_and_every_run_ends_once(
    cluster: Any, tmp_path: Path, fashion: Path
) -> None:
    doomed = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    trainings = runs_of("table9", tmp_path / "store", fashion, epochs=8)
    looked_into = runs_of("figure11", tmp_path / "store", fashion, epochs=8)  # measured after it
    runs = [*looked_into, *trainings]
    ended = threading.Event()
    waits = threading.Thread(target=_kill_when_begun, args=(cluster, doomed, runs, ended))
    waits.start()
    try:
        Ray(address=cluster.address).run(runs, progress=False)
    finally:
        ended.set()
    waits.join()
    assert [run.state for run in runs] == ["finished"] * (2 * 2 + 6)
    assert doomed not in cluster.list_all_nodes()
    for run in trainings:
        assert run.history["epoch"].tolist() == list(range(1, 9))
        assert len(pd.read_csv(run.config.out / "history.csv")) == 8
    folders = {path.name for path in (tmp_path / "store").iterdir() if path.is_dir()}
    assert folders == {run.config.out.name for run in runs}
    Ray(address="nowhere").run(runs, progress=False)  # nothing is missing, so nothing is asked


def _kill_when_begun(
    cluster: Any, node: Any, runs: list[StoredRun], ended: threading.Event
) -> None:
    """Kill a node, with all that runs on it, once two runs have begun, however long this takes."""
    while sum(run.state == "begun" for run in runs) < 2:
        if ended.wait(0.05):
            return
    cluster.remove_node(node, allow_graceful=False)


@pytest.mark.slow
def test_a_cluster_that_is_not_there_or_too_small(
    cluster: Any, tmp_path: Path, fashion: Path
) -> None:
    runs = runs_of("table9", tmp_path / "store", fashion, epochs=1)
    with pytest.raises(StripeError, match="the cluster has 0 GPU, and a run needs 1; give fewer"):
        Ray(address=cluster.address, gpus=1.0).run(runs, progress=False)
    with pytest.raises(StripeError, match=r"there is no Ray cluster at 127\.0\.0\.1:1"):
        Ray(address="127.0.0.1:1").run(runs, progress=False)
    with pytest.raises(StripeError, match=r"at ray://127\.0\.0\.1:1: .*[Rr]efused"):
        Ray(address="ray://127.0.0.1:1").run(runs, progress=False)
