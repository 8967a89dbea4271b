"""Chains: edit each category's models and their order; nothing takes effect until it is saved."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import msgspec
import streamlit as st

from router.config.draft import Draft
from router.config.schema import Config
from router.core.errors import ConfigError, FallbackLabError, StoreError
from router.lab import Lab
from router.metrics.chains import DAYS, EVALUATED_DAYS, chain_lines

from components.chains.editor import WIDTH, edit_chain
from components.chains.exports import draw_exports
from components.chains.figures import style_figures
from components.chains.history import draw_history
from components.chains.limits import Change, edit_limits
from components.chains.moves import follow_moves
from components.chains.review import BAR, draw_review, given_reason, keep_reason, propose, reason, resume_reason
from components.shared.handover import take_draft
from components.shared.lab import lab_or_stop
from components.shared.markdown import label
from components.shared.text_editor import edit_text, take_typed
from components.shared.unsaved import keep_unsaved

FOLLOW_EVERY = 2.0
"""Seconds between checks for changes made by others."""

_DRAFT, _PROBLEM, _TEXT = "chains_draft", "chains_problem", "chains_text"
_GIVEN = "chains_given"
"""The session's key for what another page gave last: what was unsaved before, with its reason, and both together."""


def main(lab: Lab) -> None:
    """The page, from top to bottom."""
    style_figures()
    if lab.editor.read_only:
        st.caption(f"{label(str(lab.path))} is read-only here because FALLBACK_LAB_READONLY is set. Unset it to edit.")
    else:
        st.caption(f"Changes are saved to {label(str(lab.path))} and take effect immediately for everyone.")
    _draw_refused_keys(lab)
    _follow(lab, *_drawn(lab))
    try:
        draft = _draft(lab)
    except ConfigError as error:  # the file is unreadable or missing
        st.error(label(str(error)), icon=":material/error:")
        _draw_last_good(lab)
        draw_history(lab, _restore)
        return
    _keep(lab, draft)
    config, problem = _check(lab, draft)
    _draw_changes(lab, draft, config, problem)
    names = ["Chains", "models.yaml", "History", "Export"]
    chains, text, history, exports = st.tabs(names, on_change="rerun", key="chains_tabs")
    with chains:
        if config is not None:
            _draw_chains(lab, config, None if lab.editor.read_only else partial(_change, lab))
        elif draft.text == draft.before:
            _draw_last_good(lab)
        else:
            st.caption("Fix the file first, in the models.yaml tab.")
    with text:
        _draw_text(lab, draft)
    with history:
        draw_history(lab, _restore)
    if exports.open:  # of a large file, an export takes seconds
        with exports:
            draw_exports(lab.config())


def _draft(lab: Lab) -> Draft:
    """The session's draft, with what another page gave; the current file if nothing has been changed."""
    resume_reason()
    if (given := take_draft()) is not None:
        _add(lab, *given)
    draft: Draft | None = st.session_state.get(_DRAFT)
    if draft is None or draft.text == draft.before:
        draft = st.session_state[_DRAFT] = lab.editor.draft()
    return draft


def _add(lab: Lab, change: Draft, why: str) -> None:
    """Make another page's change on top of what is unsaved; one that nobody has edited gives way to the next."""
    ours: Draft | None = st.session_state.get(_DRAFT)
    typed = given_reason()
    before, its_reason, last = st.session_state.get(_GIVEN, (None, "", None))
    if ours == last:
        ours, typed = before, its_reason
    if ours is None or ours.text == ours.before:
        ours, typed = None, ""
    both = change if ours is None else lab.editor.on_top(change, ours)
    if both is None:
        st.session_state[_PROBLEM] = (
            "Your unsaved changes concern the same settings as what you chose on the other page, so that was not added."
            " Save or discard them, then choose it again."
        )
        return
    st.session_state[_GIVEN] = ours, typed, both
    st.session_state[_DRAFT] = both
    propose("; ".join(filter(None, (typed, why))))


def _keep(lab: Lab, draft: Draft) -> None:
    """Keep the draft, with the reason for it, over a reload."""
    if lab.editor.read_only:
        return
    is_changed = draft.text != draft.before
    why = given_reason() if is_changed else ""
    keep_reason(why)
    text = msgspec.json.encode((draft, why)).decode() if is_changed else ""
    keep_unsaved(str(lab.path), text, partial(_take_left, lab))


def _take_left(lab: Lab, text: str) -> None:
    """Go on with the draft of a session that has ended, unless it was saved meanwhile; add what another page gave."""
    draft, why = msgspec.json.decode(text, type=tuple[Draft, str])
    if not lab.editor.differs(Draft(before=draft.text, text=draft.text)):
        return
    given, its_reason = st.session_state.get(_DRAFT), given_reason()
    st.session_state[_DRAFT] = draft
    propose(why)
    if given is not None and given.text != given.before:
        _add(lab, given, its_reason)


def _check(lab: Lab, draft: Draft) -> tuple[Config | None, str | None]:
    """The draft's configuration, or what is wrong with it."""
    try:
        return lab.editor.check(draft), None
    except FallbackLabError as error:
        return None, str(error)


def _typed() -> Draft:
    """The draft, including the latest typing."""
    if typed := take_typed(_TEXT):
        text, base = typed
        st.session_state[_DRAFT] = Draft(before=base, text=base).with_text(text)
    draft: Draft = st.session_state[_DRAFT]
    return draft


def _change(lab: Lab, change: Callable[[Draft], Draft]) -> None:
    """Apply a change, unless the result would be invalid."""
    try:
        draft = change(_typed())
        lab.editor.check(draft)
    except FallbackLabError as error:
        st.session_state[_PROBLEM] = str(error)
    else:
        st.session_state[_DRAFT] = draft


def _draw_changes(lab: Lab, draft: Draft, config: Config | None, problem: str | None) -> None:
    """Unsaved changes, pinned to the bottom of the window in one line: always visible, and nothing else moves."""
    is_changed = draft.text != draft.before
    is_old = is_changed and lab.editor.differs(draft)
    # A problem with the file itself is shown at the top of every page.
    told = list(filter(None, (problem if is_changed else None, st.session_state.pop(_PROBLEM, None))))
    if not is_changed and not told:
        return
    with st.bottom:
        with st.container():  # its own container: messages that come and go here do not move the buttons
            for sentence in dict.fromkeys(told):
                st.error(label(sentence), icon=":material/error:")
            if is_old:
                _draw_theirs(lab)
        if not is_changed:
            return
        with st.container(horizontal=True, vertical_alignment="center", wrap=False, key=BAR):
            draw_review(lab, draft, config)
            # Callbacks run before anything is drawn, so an interrupted run loses no click.
            st.button(
                "Save",
                type="primary",
                icon=":material/save:",
                disabled=problem is not None or is_old,
                key="chains_save",
                on_click=_save,
                args=(lab,),
            )
            st.button("Discard", icon=":material/undo:", type="tertiary", key="chains_discard", on_click=_discard)


def _draw_theirs(lab: Lab) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(
            "models.yaml has changed since you opened it. Your changes are kept below.",
            icon=":material/group:",
            width="stretch",
        )
        st.button(
            "Merge their changes",
            key="chains_theirs",
            icon=":material/merge:",
            help="Applies your changes to the current file; you can then save them",
            on_click=_take_in,
            args=(lab,),
        )


def _take_in(lab: Lab) -> None:
    try:
        st.session_state[_DRAFT], met = _typed().onto(lab.editor.draft().text)
    except ConfigError as error:  # the file is gone
        st.session_state[_PROBLEM] = str(error)
        return
    if met:
        st.session_state[_PROBLEM] = (
            "You and someone else changed the same lines. Saving replaces theirs with yours: check the diff first."
        )


def _save(lab: Lab) -> None:
    draft = _typed()
    try:
        lab.editor.save(draft, reason())
    except FallbackLabError as error:
        if not lab.editor.differs(draft):  # that warning is shown anyway
            st.session_state[_PROBLEM] = str(error)
    else:
        st.session_state[_DRAFT] = Draft(before=draft.text, text=draft.text)
        st.toast("Saved. Changes are live.", icon=":material/check:")


def _discard() -> None:
    draft = _typed()
    st.session_state[_DRAFT] = Draft(before=draft.before, text=draft.before)


def _restore(restore: Callable[[], object], done: str) -> None:
    try:
        restore()
    except FallbackLabError as error:
        st.session_state[_PROBLEM] = str(error)
    else:
        st.toast(done, icon=":material/check:")


def _draw_refused_keys(lab: Lab) -> None:
    """Keys that are not sent until their host is allowed, each with a field to allow it."""
    for name, origin, sentence in lab.destinations.refused():
        field = f"host_of_{name}_{origin}"
        st.warning(label(sentence), icon=":material/lock:")
        if lab.editor.read_only:
            continue
        with (
            st.form(f"allow_{name}_{origin}", border=False),
            st.container(horizontal=True, vertical_alignment="bottom"),
        ):
            st.text_input(
                f"Type the host name to allow sending {label(name)} to {label(origin)}",
                key=field,
                autocomplete="off",
                width=WIDTH,
            )
            st.form_submit_button("Allow", icon=":material/lock_open:", on_click=_allow, args=(lab, name, field))


def _allow(lab: Lab, name: str, field: str) -> None:
    try:
        origin = lab.destinations.allow(name, st.session_state[field])
    except FallbackLabError as error:
        st.session_state[_PROBLEM] = str(error)
    else:
        st.toast(f"Allowed: {label(name)} is now sent to {label(origin)}.", icon=":material/lock_open:")


def _draw_last_good(lab: Lab) -> None:
    """The chains in force while the file is broken, and the way back to them."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("These are the last good chains. They stay in force until models.yaml is fixed.", width="stretch")
        st.button(
            "Restore last good",
            key="chains_last_good",
            icon=":material/settings_backup_restore:",
            disabled=lab.editor.read_only,
            help="Writes them to models.yaml again. The broken text stays in the history.",
            on_click=_restore,
            args=(lab.restore_last_good, "Restored the last good version of models.yaml."),
        )
    _draw_chains(lab, lab.config(), None)


def _draw_chains(lab: Lab, config: Config, change: Change | None) -> None:
    """All chains with their figures.

    Args:
        change: None where they cannot be edited.
    """
    known = lab.named_models(config)
    try:
        with st.spinner("Loading statistics …", show_time=True):
            lines = chain_lines(lab.observed, lab.store.scores, config.chains, time.time())
    except StoreError as error:  # chains can be edited without their figures
        st.error(label(str(error)), icon=":material/error:")
        lines = {category: {} for category in config.chains}
    for category in config.chains:
        edit_chain(lab, config, category, lines=lines[category], known=known, change=change)
    if change is not None:
        edit_limits(config.policy, change)
        follow_moves()
    st.caption(
        f"Quality: the share of cases that the model passes in evaluations of the last {EVALUATED_DAYS} days. The other"
        f" figures: each model's calls in its category over the last {DAYS} days. Below each value: its 95% confidence"
        " interval and the number of requests it is based on. Rescued: of the requests whose primary failed, the share"
        " that this model answered."
    )


def _drawn(lab: Lab) -> tuple[Config, list[str]]:
    """What can change elsewhere: the active models.yaml, its problems, and the breakers' states."""
    config = lab.config()
    breakers = [lab.breaker(ref) for ref in config.chain_models]
    states = [f"{breaker.state} {breaker.refusal}" for breaker in breakers]
    return config, [*states, *lab.notices(), *(refused.sentence for refused in lab.destinations.refused())]


@st.fragment(run_every=FOLLOW_EVERY)
def _follow(lab: Lab, config: Config, states: list[str]) -> None:
    """Redraw the page when any of that changes."""
    now = _drawn(lab)
    if now[0] is not config or now[1] != states:
        st.rerun()


def _draw_text(lab: Lab, draft: Draft) -> None:
    if lab.editor.read_only:
        st.code(draft.text, language="yaml", line_numbers=True)
        return
    edit_text("models.yaml", draft.text, base=draft.before, key=_TEXT, on_typed=_typed)
    st.caption("Validated as you type.")


main(lab_or_stop())
