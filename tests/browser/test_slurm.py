"""Runs on a real Slurm, started and stopped on the pages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from core.config import TrainConfig, as_typed
from core.data.importers.demo import import_demo
from core.presets import PRESETS
from core.runs.paths import RunPaths
from tests.browser.conftest import App, new_page, running_app
from tests.browser.traffic import settle
from tests.slurm_cluster import SlurmCluster, running_cluster
from tests.slurm_scenario import HOSTILE, SHORT, Site, six_runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    with running_cluster(monkeypatch) as running:
        yield running


class Pages(Site):
    """What somebody does in a browser, and reads there."""

    def __init__(self, cluster: SlurmCluster, app: App, page: Any) -> None:
        super().__init__(cluster, app.runs_root, app.data_root)
        self.app, self.page = app, page

    def start(self, config: TrainConfig = SHORT) -> RunPaths:
        base = PRESETS["quick"].config
        changed = [name for name in TrainConfig.model_fields if getattr(config, name) != getattr(base, name)]
        query = {"preset": "quick", **{name: as_typed(getattr(config, name)) for name in changed}}
        self._open(f"train?{urlencode(query)}")
        self.page.get_by_role("combobox", name="Launcher").click()
        self.page.get_by_role("option", name="Slurm", exact=True).click()
        settle(self.page)
        self.page.get_by_role("button", name="Start training").click()
        self.page.wait_for_url("**/run?run=*")
        settle(self.page)
        [run_id] = parse_qs(urlsplit(self.page.url).query)["run"]
        return RunPaths(self.root, run_id)

    def stop(self, paths: RunPaths) -> None:
        self._open(f"run?run={paths.run_id}")
        self.page.get_by_test_id("stMain").get_by_role("button", name="Stop").or_(
            self.page.get_by_role("button", name="Remove from queue")
        ).click()
        settle(self.page)

    def shows(self, paths: RunPaths, text: str) -> bool:
        self._open(f"run?run={paths.run_id}")
        self.page.get_by_text(text).first.wait_for()
        return True

    def _open(self, address: str) -> None:
        self.page.goto(f"{self.app.url}/{address}")
        settle(self.page)


def test_six_runs_are_started_on_the_train_page_and_share_two_nodes(
    cluster: SlurmCluster, chromium: Any, tmp_path: Path
) -> None:
    folder = tmp_path / HOSTILE
    folder.mkdir()
    with running_app(folder) as app:
        import_demo(app.data_root, train_per_class=24, validation_per_class=6, test_per_class=6)
        app.runs_root.mkdir()
        six_runs(Pages(cluster, app, new_page(chromium)), cluster)
