"""FER2013 from Kaggle, on the Data page: the token, how far the download is, and how it ended."""

from typing import Literal

import streamlit as st

from core.data.fer2013 import KAGGLE_NAME, KAGGLE_URL
from core.data.kaggle import credentials, download
from core.data.kaggle.download import Download
from core.errors import DataError
from dashboard.state.roots import data_root
from dashboard.ui.format import escape
from dashboard.ui.page import TRAIN_PAGE, draw_live, go_to, guarded


def kaggle_section() -> bool:
    """How far the download is, or how the last one ended, until that is closed; whether one is going on."""
    now = download.look(data_root())
    if now is None:
        return False
    if now.running:
        draw_live(download_progress, seconds=1)
    elif now.state == "finished":
        st.success(escape(now.sentence), icon=":material/check_circle:")
        with st.container(horizontal=True):
            if st.button("Start training on it", icon=":material/play_arrow:", type="primary", key="kaggle-train"):
                download.forget(data_root())
                go_to(TRAIN_PAGE)
            close("Close")
    else:
        ended_early(now)
    return now.running


def download_progress() -> None:
    """Drawn anew every second; the download does not need anybody to watch."""
    now = download.look(data_root())
    if now is None or not now.running:
        st.rerun()
    with st.container(border=True):
        st.markdown("**FER2013 from Kaggle**")
        st.progress(min(1.0, now.done / now.total) if now.total else 0.0, escape(now.sentence))
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.caption("You may leave this page: the download goes on.", width="content")
            if st.button("Cancel", icon=":material/close:", key="kaggle-cancel"):
                download.cancel(data_root())
                st.toast("The download is being cancelled.")


def ended_early(now: Download) -> None:
    """Failed, cancelled or interrupted: what happened, and how to go on."""
    if now.state == "failed":
        st.error(escape(now.sentence), icon=":material/error:")
    else:
        st.info(escape(now.sentence), icon=":material/pause_circle:")
    with st.container(horizontal=True):
        if not now.rejected:
            label = "Go on" if now.kept_bytes else "Try again"
            if st.button(label, icon=":material/refresh:", type="primary", key="kaggle-again"):
                begin_download()
        close("Remove what arrived" if now.kept_bytes else "Close")


def close(label: str) -> None:
    """A button that removes what is left of the download."""
    if st.button(label, icon=":material/close:", key="kaggle-close"):
        with guarded():
            download.forget(data_root())
            st.rerun()


def credentials_choice() -> None:
    """The way to begin one: with the token there is, or with one that is given here."""
    st.markdown(
        f"The usual copy, 62 MB, [{KAGGLE_NAME}]({KAGGLE_URL}). Its images were collected from the web for research; "
        "as far as known, Kaggle names the Open Database and the Database Contents License. By downloading it you "
        "accept the terms that stand there."
    )
    now = download.look(data_root())
    if now and now.running:
        st.caption("It is being downloaded: see above.")
        return
    try:
        source = credentials.find_credentials()
    except DataError as error:
        st.warning(escape(str(error)), icon=":material/key_off:")
        source = None
    if source is None:
        save_credentials()
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        # Going on with what is told above comes before it.
        kind: Literal["primary", "secondary"] = "secondary" if now else "primary"
        if st.button("Download FER2013", type=kind, icon=":material/cloud_download:", key="kaggle-download"):
            begin_download()
        st.caption(f"With {escape(source.where)}.", width="content")
        if source.kept and st.button(
            "Remove the token", icon=":material/delete:", type="tertiary", key="kaggle-remove"
        ):
            with guarded():
                credentials.remove()
                st.rerun()
    with st.expander("Use another token", icon=":material/key:"):
        save_credentials()


def save_credentials() -> None:
    """Upload `kaggle.json` or paste a token. The fields are new, and so empty, after each that was taken."""
    turn = st.session_state.get("token-turn", 0)
    st.caption(
        f"Make a token at [kaggle.com/settings/api]({credentials.TOKEN_PAGE}). It is kept on this server, in a file "
        "that only the server's own user can read, is never shown again, and can be removed here."
    )
    with st.form(f"kaggle-token-{turn}"):
        left, right = st.columns(2, gap="medium")
        upload = left.file_uploader("Upload kaggle.json", type="json", key=f"kaggle-json-{turn}", max_upload_size=1)
        token = right.text_input(
            "Or paste a token", type="password", autocomplete="off", key=f"kaggle-token-text-{turn}"
        )
        user = right.text_input("User name, for an older key only", autocomplete="off", key=f"kaggle-user-{turn}")
        if st.form_submit_button("Keep it and download", type="primary", icon=":material/cloud_download:"):
            with guarded():
                text = upload.getvalue()[:20_000].decode(errors="replace") if upload else str(token)
                credentials.keep(credentials.parse_credentials(text, "" if upload else str(user)))
                st.session_state["token-turn"] = turn + 1
                begin_download()


def begin_download() -> None:
    """Start, or go on with what has arrived."""
    with guarded():
        with st.spinner("Starting …"):
            download.start_download(data_root())
        st.rerun()
