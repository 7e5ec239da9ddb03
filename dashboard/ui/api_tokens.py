"""The dialog in which people make and revoke the tokens that their programs use the HTTP API with."""

from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import streamlit as st

from core.runs.values import PERSON_LENGTH
from core.team import actions
from core.team.people import Actor, Role
from core.team.tokens import ApiToken, read_tokens
from dashboard.state.actor import actor
from dashboard.state.roots import runs_root
from dashboard.state.visitor import ENTER_NAME
from dashboard.ui.format import ago, escape
from dashboard.ui.page import guarded

LASTS: Final[dict[str, int | None]] = {"30 days": 30, "90 days": 90, "1 year": 365, "Until revoked": None}
MOST_SHOWN: Final = 50


@st.dialog("API tokens", width="medium", icon=":material/key:")
def api_tokens() -> None:
    """One's own tokens, for admins all, and a form for another one."""
    st.caption(
        "With a token, a program can predict, list, start and stop runs over HTTP in your name, as far as the role of "
        "the token allows. The README has examples."
    )
    with guarded():
        me = actor()
        if not me.name:
            st.info(f"{ENTER_NAME} first.")
            return
        with guarded():  # what is wrong with a new one does not hide the others
            _create(me)
        _list(me)


def _create(me: Actor) -> None:
    roles = [role for role in Role if me.role.includes(role)]
    with st.form("api-token", border=False):
        name = st.text_input(
            "Name", key="api-token-name", max_chars=PERSON_LENGTH, placeholder="What it is for, e.g. notebook"
        )
        columns = st.columns(3 if me.role is Role.ADMIN else 2)
        role = columns[0].selectbox("Role", roles, key="api-token-role", help=_ROLES)
        lasts = columns[1].selectbox("Valid for", list(LASTS), index=1, key="api-token-lasts")
        owner = ""
        if me.role is Role.ADMIN:
            owner = columns[2].text_input(
                "Owner",
                key="api-token-owner",
                max_chars=PERSON_LENGTH,
                placeholder=me.email or me.name,
                help="Who acts with it: a name, or the email address under which they log in.",
            )
        if not st.form_submit_button("Create token", key="api-token-create", icon=":material/add:"):
            return
    whose = {"owner": owner, "email": owner if "@" in owner else ""}
    token, secret = actions.create_api_token(me, runs_root(), name, role, days=LASTS[lasts], **whose)
    st.success(f"Copy the token of {escape(token.owner)} now. It won't be shown again.", icon=":material/key:")
    st.code(secret, language=None)
    st.code(f"curl -H 'Authorization: Bearer {secret}' {_address()}/api/runs", language="sh")


_ROLES: Final = (
    "Viewer: predict and read. Member: also start runs, and stop those of the owner. Admin: also stop those of others."
)


def _address() -> str:
    """Where this server is, as the visitor's browser has it."""
    opened = urlsplit(st.context.url or "http://localhost:8501")
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{opened.scheme}://{opened.netloc}/{base}".rstrip("/")


def _list(me: Actor) -> None:
    tokens = read_tokens(runs_root())
    shown = [token for token in tokens if me.role is Role.ADMIN or token.belongs_to(me)]
    if not shown:
        st.caption("No token of yours yet." if tokens else "No token yet: the HTTP API is off.")
    for token in shown[: -MOST_SHOWN - 1 : -1]:  # the newest first
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            with st.container(gap=None):
                st.text(f"{token.name} ({token.role}{'' if token.belongs_to(me) else f', {token.owner}'})")
                st.caption(_about(token))
            if st.button("Revoke", key=f"api-token-revoke-{token.id}", help="It stops working at once"):
                actions.revoke_api_token(me, runs_root(), token.id)
                st.rerun(scope="fragment")
    if len(shown) > MOST_SHOWN:
        st.caption(f"{len(shown) - MOST_SHOWN} older tokens: `python -m core token list`")


def _about(token: ApiToken) -> str:
    """When it was made and used, and how long it lasts."""
    used = "never used" if token.last_used is None else f"last used {token.last_used:%Y-%m-%d}"
    if token.expires_at is None:
        expires = "valid until revoked"
    elif token.has_expired(datetime.now(UTC)):
        expires = "expired"
    else:
        expires = f"valid until {token.expires_at:%Y-%m-%d}"
    return f"Created {ago(token.created_at)} · {used} · {expires}"
