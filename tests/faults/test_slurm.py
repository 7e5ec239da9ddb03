"""Runs on a real Slurm: one controller and two nodes on this machine, real workers, and what goes wrong on clusters."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import RunError
from tests.slurm_cluster import SlurmCluster, running_cluster
from tests.slurm_scenario import HOSTILE, Site, six_runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    with running_cluster(monkeypatch) as running:
        yield running


@pytest.fixture
def site(cluster: SlurmCluster, tmp_path: Path, demo_root: Path) -> Site:
    root = tmp_path / HOSTILE
    root.mkdir()
    return Site(cluster, root, demo_root)


def test_six_runs_share_two_nodes_whatever_happens_to_them(site: Site, cluster: SlurmCluster) -> None:
    six_runs(site, cluster)


def test_what_slurm_does_not_grant_is_refused_with_its_words(site: Site, cluster: SlurmCluster) -> None:
    settings = Path(os.environ["FER_SITE"])
    settings.write_text("[slurm]\npartition = 'main'\ncpus = 1\nmemory = '999G'\n")
    with pytest.raises(RunError, match=r"^Slurm refused: Memory specification .* Check the settings in site\.toml\.$"):
        site.start()
    settings.write_text("[slurm]\npartition = 'gpu'\n")
    with pytest.raises(RunError, match=r"^This Slurm has no partition 'gpu'\. Set partition in site\.toml"):
        site.start()
    assert list(site.root.glob("2*")) == [] and cluster.ask("squeue", "-h") == ""
