"""Overview: what this is, what is running, what came out best, where to start."""

import streamlit as st

from core.data.fer2013 import DatasetInfo, list_datasets
from core.jobs.slots import list_slots
from core.runs.store import Run, RunState, best_run, list_runs
from dashboard import cache, widgets
from dashboard.widgets import escape


def main() -> None:
    runs = list_runs(widgets.runs_root())
    datasets = list_datasets(widgets.data_root())
    with widgets.page_title(
        "FER Dashboard",
        "Train, compare and try networks that read seven facial expressions from FER2013's 48x48 images.",
    ):
        if datasets and st.button("Start training", icon=":material/play_arrow:", type="primary"):
            st.switch_page(widgets.TRAIN)
    if not any(run.state is RunState.FINISHED for run in runs):
        first_steps(runs, datasets)
    active = any(run.state.is_live for run in runs)
    widgets.live(now, seconds=3 if active else None, watched=active, datasets=datasets)
    best = best_run(runs)
    if best:
        show_best(best)
    if runs:
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        left.subheader("Latest runs", anchor=False)
        right.container(horizontal=True, horizontal_alignment="right").page_link(
            widgets.RUNS, label=f"All {len(runs)} runs", icon=":material/arrow_forward:", icon_position="right"
        )
        widgets.run_table(
            runs[:10], "latest", ["state", "name", "validation", "test", "epochs", "duration", "author", "created"]
        )


def first_steps(runs: list[Run], datasets: list[DatasetInfo]) -> None:
    """What a newcomer does, with a tick at what is done."""
    steps = [
        (
            "Get data",
            "Import FER2013, or make the drawn demo set in seconds.",
            bool(datasets),
            widgets.DATA,
            "Open Data",
        ),
        (
            "Start your first run",
            "Choose a recipe and a data set, then watch the curves grow while it trains.",
            bool(runs),
            widgets.TRAIN,
            "Open Train",
        ),
        (
            "Look at its errors, try a prediction",
            "See what the network gets wrong, then give it a photo.",
            any(run.state is RunState.FINISHED for run in runs),
            widgets.PREDICT,
            "Open Predict",
        ),
    ]
    st.subheader("Where to start", anchor=False)
    grid = st.grid(3, min_column_width=260, border=True)
    current = next((index for index, step in enumerate(steps) if not step[2]), len(steps))
    for index, (title, text, done, page, label) in enumerate(steps):
        with grid.cell():
            if done:
                st.badge("done", icon=":material/check_circle:", color="green")
            else:
                st.badge(f"step {index + 1}", color="blue" if index == current else "gray")
            st.markdown(f"**{title}**  \n{text}")
            if st.button(label, key=f"step-{index}", type="primary" if index == current else "secondary"):
                st.switch_page(page)


def now(watched: bool, datasets: list[DatasetInfo]) -> None:
    """The part that changes by itself: data, device, queue, and what is running."""
    runs = list_runs(widgets.runs_root())
    if watched and not any(run.state.is_live for run in runs):
        st.rerun()  # the last one has ended: draw the page once more, without polling
    running = [run for run in runs if run.state in (RunState.RUNNING, RunState.STALLED)]
    waiting = [run for run in runs if run.state is RunState.QUEUED]
    slots = list_slots()
    row = st.grid(3, min_column_width=260)
    images = sum(info.total for info in datasets)
    names = ", ".join(escape(info.title) for info in datasets)
    widgets.figure(row, "Data", f"{images:,} images" if datasets else "none yet", names)
    device = slots[0].title if len(slots) == 1 else f"{len(slots)} x {slots[0].title}"
    widgets.figure(row, "Device", "busy" if running else "idle", escape(device))
    following = f"next: {escape(waiting[-1].name)}" if waiting else "nothing waiting"
    widgets.figure(row, "Queue", f"{len(running)} running, {len(waiting)} waiting", following)
    if running:
        st.subheader("Running now", anchor=False)
        cards = st.grid(3, min_column_width=340, border=True)
        for run in running:
            with cards.cell():
                card(run)


def card(run: Run) -> None:
    """One run that is training."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{escape(run.name)}**")
        widgets.state_chip(run.state)
    status = run.status
    epochs = cache.history(run.paths.epochs)
    trend = (100 * epochs["validation_accuracy"]).tolist() if len(epochs) else []
    st.metric(
        "Best validation accuracy",
        widgets.percent(widgets.accuracy_of(run)),
        chart_data=trend if len(trend) > 1 else None,
        height=140,
    )
    left = f", {widgets.duration(status.eta_seconds)} left" if status.eta_seconds is not None else ""
    st.progress(status.progress, f"epoch {status.epoch}/{status.epochs}{left}")
    st.page_link(widgets.RUN, label="Open", icon=":material/show_chart:", query_params={"run": run.id})


def show_best(run: Run) -> None:
    """The run that Predict uses by default."""
    st.subheader("Best run", anchor=False)
    with st.container(border=True):
        name, validation, test, links = st.columns([3, 2, 2, 2], vertical_alignment="center")
        with name:
            st.markdown(f"**{escape(run.name)}**")
            widgets.state_chip(run.state)
        epoch = run.summary.get("best", {}).get("epoch")
        validation.metric(
            f"Validation, epoch {epoch}" if epoch else "Validation", widgets.percent(widgets.accuracy_of(run))
        )
        test.metric("Test", widgets.with_interval(widgets.evaluation_of(run, "test")))
        with links:
            st.page_link(widgets.RUN, label="Curves", icon=":material/show_chart:", query_params={"run": run.id})
            st.page_link(widgets.ERRORS, label="Errors", icon=":material/grid_view:", query_params={"run": run.id})
            st.page_link(widgets.PREDICT, label="Predict", icon=":material/add_reaction:", query_params={"run": run.id})


main()
