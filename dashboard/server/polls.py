"""What a timer asks for is no act of the visitor.

A part of a page that draws itself again every few seconds is asked for by the browser, which says as always which page
and which address it shows. On a slow line that may be what the server has changed meanwhile: somebody has just opened
another page, or ticked a run. Streamlit 1.67 believes what comes last: the new page would get the address of the one
that was left, a tick would go again, or the page that was to be opened would not be opened. So what the server knows
itself counts: whatever the visitor did, the browser has said in a request of its own before.
"""

from dataclasses import replace
from urllib.parse import urlencode

from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx, script_runner
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequest, ScriptRequests, ScriptRequestType


def believe_no_timer() -> None:
    """From now on a timer's request changes neither the page nor its address; to be called before the first visit."""
    script_runner.ScriptRequests = Requests  # type: ignore[attr-defined]


class Requests(ScriptRequests):
    """What is asked of the script of one visitor."""

    def _request_rerun_locked(self, new_data: RerunData) -> bool:
        if new_data.is_auto_rerun and self._state is ScriptRequestType.RERUN:  # joins what waits, which may be an act
            waiting = self._rerun_data
            new_data = replace(
                new_data,
                query_string=waiting.query_string,
                page_script_hash=waiting.page_script_hash,
                page_name=waiting.page_name,
                is_auto_rerun=waiting.is_auto_rerun,
                is_history_navigation=waiting.is_history_navigation,
            )
        return super()._request_rerun_locked(new_data)

    def on_scriptrunner_yield(self) -> ScriptRequest | None:
        request = super().on_scriptrunner_yield()
        return request and _of_the_page_that_is_open(request)

    def on_scriptrunner_ready(self) -> ScriptRequest:
        return _of_the_page_that_is_open(super().on_scriptrunner_ready())


def _of_the_page_that_is_open(request: ScriptRequest) -> ScriptRequest:
    """The same, if it is an act; a timer's with the page and the address that the server has sent last. Where its page
    was left, without what was chosen there: those widgets would call their callbacks once more. Of a page that is open,
    Streamlit needs that: what was not chosen in the browser it would send there again, over what is being typed."""
    context = get_script_run_ctx()
    if context is None or request.type is not ScriptRequestType.RERUN or not request.rerun_data.is_auto_rerun:
        return request
    with context.session_state.query_params() as query:
        address = urlencode(query._query_params, doseq=True)  # with those parameters that scripts do not see
    known = replace(request.rerun_data, query_string=address, page_script_hash=context.page_script_hash, page_name="")
    if request.rerun_data.page_script_hash != context.page_script_hash:
        known = replace(known, widget_states=None)
    return ScriptRequest(ScriptRequestType.RERUN, known)
