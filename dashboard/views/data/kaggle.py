"""FER2013 from Kaggle, on the Data page: the token, the progress of the download, and its outcome."""

from typing import Literal

import streamlit as st

from core.data.fer2013 import KAGGLE_NAME, KAGGLE_URL
from core.data.kaggle import credentials, download
from core.data.kaggle.download import Download
from core.errors import DataError
from core.team import actions
from core.team.rights import Action, may
from dashboard.state.actor import actor
from dashboard.state.roots import data_root
from dashboard.ui.format import escape
from dashboard.ui.page import TRAIN_PAGE, draw_live, go_to, guarded


def kaggle_section() -> bool:
    """Progress of the download, or the outcome of the last one until it is closed; whether one is running."""
    now = download.look(data_root())
    if now is None:
        return False
    if now.running:
        draw_live(download_progress, seconds=1)
    elif now.state == "finished":
        st.success(escape(now.sentence), icon=":material/check_circle:")
        with st.container(horizontal=True):
            if st.button("Train on this dataset", icon=":material/play_arrow:", type="primary", key="kaggle-train"):
                if may(actor(), Action.CLEAR_DOWNLOAD):
                    actions.clear_download(actor(), data_root())
                go_to(TRAIN_PAGE)
            close("Close")
    else:
        ended_early(now)
    return now.running


def download_progress() -> None:
    """Redrawn every second; the download runs on its own."""
    now = download.look(data_root())
    if now is None or not now.running:
        st.rerun()
    with st.container(border=True):
        st.markdown("**FER2013 from Kaggle**")
        st.progress(min(1.0, now.done / now.total) if now.total else 0.0, escape(now.sentence))
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.caption("You can leave this page; the download continues.", width="content")
            me = actor()
            if may(me, Action.CANCEL_DOWNLOAD) and st.button("Cancel", icon=":material/close:", key="kaggle-cancel"):
                actions.cancel_download(me, data_root())
                st.toast("Cancelling download…")


def ended_early(now: Download) -> None:
    """Failed, cancelled or interrupted: what happened, and how to continue."""
    if now.state == "failed":
        st.error(with_links(now.sentence), icon=":material/error:")
    else:
        st.info(escape(now.sentence), icon=":material/pause_circle:")
    with st.container(horizontal=True):
        if not now.rejected and may(actor(), Action.DOWNLOAD):
            label = "Resume download" if now.kept_bytes else "Try again"
            if st.button(label, icon=":material/refresh:", type="primary", key="kaggle-again"):
                begin_download()
        close("Discard partial download" if now.kept_bytes else "Close")


def with_links(text: str) -> str:
    """A message as Markdown, in which the addresses on Kaggle are links."""
    shown = escape(text)
    for address in (credentials.TOKEN_PAGE, KAGGLE_URL):
        shown = shown.replace(escape(address), f"[{address.removeprefix('https://www.')}]({address})")
    return shown


def close(label: str) -> None:
    """A button that removes what is left of the download."""
    me = actor()
    if may(me, Action.CLEAR_DOWNLOAD) and st.button(label, icon=":material/close:", key="kaggle-close"):
        with guarded():
            actions.clear_download(me, data_root())
            st.rerun()


def credentials_choice() -> None:
    """Start a download: with the token there is, or with one entered here."""
    st.markdown(
        f"Downloads [{KAGGLE_NAME}]({KAGGLE_URL}) (62 MB). The images were collected from the web for research; "
        "Kaggle lists the license as DbCL/ODbL. By downloading you accept the terms on that page."
    )
    now = download.look(data_root())
    if now and now.running:
        st.caption("Download in progress (see above).")
        return
    try:
        source = credentials.find_credentials()
    except DataError as error:
        st.warning(with_links(str(error)), icon=":material/key_off:")
        source = None
    if source is None:
        save_credentials()
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        # Resuming the download shown above comes first.
        kind: Literal["primary", "secondary"] = "secondary" if now else "primary"
        if st.button("Download FER2013", type=kind, icon=":material/cloud_download:", key="kaggle-download"):
            begin_download()
        st.caption(f"Using {escape(source.where)}.", width="content")
        if source.kept and st.button(
            "Remove saved token", icon=":material/delete:", type="tertiary", key="kaggle-remove"
        ):
            with guarded():
                actions.remove_token(actor(), data_root())
                st.rerun()
    with st.expander("Use another token", icon=":material/key:"):
        save_credentials()


def save_credentials() -> None:
    """Upload `kaggle.json` or paste a token. The fields are new, and so empty, after each that was saved."""
    turn = st.session_state.get("token-turn", 0)
    st.caption(
        f"Create a token at [kaggle.com/settings/api]({credentials.TOKEN_PAGE}). It's stored on this server (readable "
        "only by the server account), never displayed again, and can be removed here."
    )
    with st.form(f"kaggle-token-{turn}"):
        left, right = st.columns(2, gap="medium")
        upload = left.file_uploader("Upload kaggle.json", key=f"kaggle-json-{turn}", max_upload_size=1)
        token = right.text_input(
            "Or paste a token", type="password", autocomplete="off", key=f"kaggle-token-text-{turn}"
        )
        user = right.text_input("Username (legacy API keys only)", autocomplete="off", key=f"kaggle-user-{turn}")
        if st.form_submit_button("Save token and download", type="primary", icon=":material/cloud_download:"):
            with guarded():
                given = upload.getvalue()[:20_000] if upload else str(token)
                try:
                    entered = credentials.parse_credentials(given, "" if upload else str(user))
                    actions.save_token(actor(), data_root(), entered)
                except DataError as error:
                    st.error(with_links(str(error)), icon=":material/error:")
                    return
                st.session_state["token-turn"] = turn + 1
                begin_download()


def begin_download() -> None:
    """Start, or resume the partial download."""
    with guarded():
        with st.spinner("Starting…"):
            actions.start_download(actor(), data_root())
        st.rerun()
