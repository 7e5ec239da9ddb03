"""Runs on a real Ray cluster, started and stopped on the pages."""

import importlib.util
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from core.config import TrainConfig, as_typed
from core.data.importers.demo import import_demo
from core.presets import PRESETS
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import list_runs, read_run, read_status
from core.runs.records import RunState
from tests.browser.conftest import App, new_page, running_app
from tests.browser.traffic import settle
from tests.conftest import wait_for
from tests.core.conftest import ENDLESS, TINY
from tests.ray_cluster import PATIENCE, name_in_site, running_cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="Ray isn't installed: pip install -r requirements-ray.txt"
    ),
]


def open_form(app: App, page: Any, config: TrainConfig) -> None:
    """The Train page with these settings, and Ray as the launcher."""
    base = PRESETS["quick"].config
    changed = [name for name in TrainConfig.model_fields if getattr(config, name) != getattr(base, name)]
    query = {"preset": "quick", **{name: as_typed(getattr(config, name)) for name in changed}}
    page.goto(f"{app.url}/train?{urlencode(query)}")
    settle(page)
    page.get_by_role("combobox", name="Launcher").click()
    page.get_by_role("option", name="Ray", exact=True).click()
    settle(page)


def start(app: App, page: Any, config: TrainConfig) -> RunPaths:
    open_form(app, page, config)
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/run?run=*")
    settle(page)
    [run_id] = parse_qs(urlsplit(page.url).query)["run"]
    return RunPaths(app.runs_root, run_id)


def test_runs_are_started_and_stopped_on_the_pages(chromium: Any, tmp_path: Any) -> None:
    """Two train on the two nodes, the third waits; one is stopped, and the third takes its place."""
    with pytest.MonkeyPatch.context() as patch, running_cluster(patch) as cluster:
        name_in_site(cluster, tmp_path / "site.toml", patch)
        with running_app(tmp_path) as app:
            import_demo(app.data_root, train_per_class=24, validation_per_class=6, test_per_class=6)
            page = new_page(chromium)
            first, second = start(app, page, ENDLESS), start(app, page, ENDLESS)
            for paths in (first, second):
                wait_for(lambda paths=paths: len(read_rows(paths.epochs)[0]) > 0, PATIENCE, f"{paths.run_id} training")
                assert (read_status(paths).launcher, read_status(paths).slot) == ("ray", "gpu-ray")
            third = start(app, page, TINY)
            page.get_by_text("Queued").first.wait_for()
            assert read_run(app.runs_root, third.run_id).state is RunState.QUEUED

            page.goto(f"{app.url}/run?run={first.run_id}")
            page.get_by_text("Running").first.wait_for()
            page.get_by_test_id("stMain").get_by_role("button", name="Stop", exact=True).click()
            wait_for(lambda: read_status(first).state == "stopped", PATIENCE, "the stop")
            assert first.checkpoint.exists()
            page.get_by_text("Stopped").first.wait_for()
            wait_for(lambda: read_status(third).state == "finished", PATIENCE, "the end of the run that waited")
            assert read_run(app.runs_root, second.run_id).state is RunState.RUNNING

        # The same site, for somebody without the token: the page says so, and starts nothing.
        patch.delenv("RAY_AUTH_TOKEN")
        before = len(list_runs(app.runs_root))
        with running_app(tmp_path) as app:
            open_form(app, page, TINY)
            page.get_by_text("Ray needs a token").first.wait_for()
            assert page.get_by_role("button", name="Start training").is_disabled()
            assert len(list_runs(app.runs_root)) == before
