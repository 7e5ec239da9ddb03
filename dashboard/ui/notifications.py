"""The dialog in which people say where they want to be told about their runs when no page is open."""

from typing import Final

import streamlit as st

from core.errors import FerError
from core.jobs.notify.channels import send_test
from core.jobs.notify.people import PersonalAddresses, addresses_of, personal_destinations
from core.jobs.notify.settings import Destination, NotifySettings, read_settings, server_destinations
from core.runs.paths import PeoplePaths
from core.team import actions
from core.team.people import Role
from dashboard.state import visitor
from dashboard.state.actor import actor
from dashboard.state.roots import runs_root
from dashboard.ui.format import escape

WEBHOOK_KEY: Final = "notifications-webhook"
EMAIL_KEY: Final = "notifications-email"


@st.dialog("Notifications", icon=":material/notifications:")
def notifications_dialog() -> None:
    """Where the visitor is told about their own runs, and where the server tells about all."""
    try:
        who = actor()
        settings = read_settings() or NotifySettings()
        if settings.people:
            _own(PeoplePaths(runs_root()), who.identity, settings)
        if who.role.includes(Role.ADMIN):
            _of_server(settings)
    except FerError as error:
        st.error(escape(str(error)), icon=":material/error:")


def _own(paths: PeoplePaths, name: str, settings: NotifySettings) -> None:
    st.text("Get a message when a run of yours finishes, fails, crashes, stalls or is stopped.")
    if not name:
        st.info(f"{visitor.ENTER_NAME} first.", icon=":material/person:")
        return
    saved = addresses_of(paths, name)
    with st.form("notifications-form", clear_on_submit=True, border=False):
        st.text_input(
            "Webhook",
            key=WEBHOOK_KEY,
            type="password",
            autocomplete="off",
            placeholder="https://hooks.slack.com/services/…",
            help="Incoming webhook of Slack, Mattermost or Discord (add /slack to its address), or any that takes "
            '{"text": …}. It is saved on the server and never shown again.',
        )
        if settings.email:
            st.text_input("E-mail", key=EMAIL_KEY, placeholder=saved.email or "ada@example.org")
        if st.form_submit_button("Save"):
            _save(saved)
            saved = addresses_of(paths, name)
    destinations = personal_destinations(saved, settings)
    if destinations:
        _test("Send a test", destinations, settings)
        if st.button("Remove", icon=":material/delete:"):
            actions.save_addresses(actor(), runs_root())
            st.rerun()


def _save(saved: PersonalAddresses) -> None:
    """Save what was entered; a field that was left empty stays as it was."""
    webhook = str(st.session_state.get(WEBHOOK_KEY) or "").strip()
    email = str(st.session_state.get(EMAIL_KEY) or "").strip()
    if not webhook and not email:
        st.warning("Enter a webhook or an e-mail address.", icon=":material/edit:")
        return
    actions.save_addresses(actor(), runs_root(), webhook=webhook or saved.webhook, email=email or saved.email)
    st.success("Saved. Send a test to see whether it arrives.", icon=":material/check:")


def _of_server(settings: NotifySettings) -> None:
    st.divider()
    destinations = server_destinations(settings)
    if destinations:
        st.text(f"The server tells about all runs: {', '.join(settings.events)}.")
        _test("Send a test for the server", destinations, settings)
    else:
        st.caption("Messages about all runs: set a webhook or e-mail recipients in `.streamlit/notifications.toml`.")


def _test(label: str, destinations: list[Destination], settings: NotifySettings) -> None:
    for destination in destinations:
        st.text(f"{destination.kind.capitalize().replace('Email', 'E-mail')}: {destination.shown}")
    if st.button(label, icon=":material/send:"):
        for destination in destinations:
            with st.spinner(f"Sending to {escape(destination.shown)}…"):
                trouble = send_test(destination, settings)
            if trouble:
                st.error(escape(trouble), icon=":material/error:")
            else:
                st.success(f"Sent to {escape(destination.shown)}.", icon=":material/check:")
