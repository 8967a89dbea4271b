"""Chains: each category's models in order, changed by hand; nothing is in force before it is saved."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Literal

import streamlit as st

from router.config import Config
from router.editing import Draft, Version
from router.errors import ConfigError, FallbackLabError, StoreError
from router.lab import Lab
from router.observed.chains import DAYS, chain_lines

from components.chain_editor import edit_chain
from components.lab import lab_or_stop
from components.limits import edit_limits
from components.markdown import label
from components.text_editor import edit_text, take_typed

FOLLOW_EVERY = 2.0
"""Seconds between two looks at what others have changed."""

DIFF_LINES, DIFF_HEIGHT = 9, 200
"""Lines of a difference that are drawn as they come; pixels of what is longer."""

_DRAFT, _PROBLEM, _TEXT = "chains_draft", "chains_problem", "chains_text"


def main(lab: Lab) -> None:
    """The page, from top to bottom."""
    st.caption(f"What is saved here goes into `{lab.path}` and is in force at once, for everybody.")
    try:
        draft = _draft(lab)
    except ConfigError as error:  # the file is gone
        st.error(label(str(error)), icon=":material/error:")
        return
    _follow(lab, *_drawn(lab))
    config, problem = _check(lab, draft)
    _draw_changes(lab, draft, problem)
    chains, text, history = st.tabs(["Chains", "models.yaml", "History"], key="chains_tabs")
    with chains:
        if config is None:
            st.caption("Mend the file first, under models.yaml.")
        else:
            _draw_chains(lab, config)
    with text:
        _draw_text(draft)
    with history:
        _draw_history(lab)


def _draft(lab: Lab) -> Draft:
    """What this session has changed; the file itself where it has changed nothing."""
    draft: Draft | None = st.session_state.get(_DRAFT)
    if draft is None or draft.text == draft.before:
        draft = st.session_state[_DRAFT] = lab.editor.draft()
    return draft


def _check(lab: Lab, draft: Draft) -> tuple[Config | None, str | None]:
    """What the draft means, or why it means nothing."""
    try:
        return lab.editor.check(draft), None
    except FallbackLabError as error:
        return None, str(error)


def _typed() -> Draft:
    """The draft, with what was typed just now."""
    if typed := take_typed(_TEXT):
        text, base = typed
        st.session_state[_DRAFT] = Draft(before=base, text=base).with_text(text)
    draft: Draft = st.session_state[_DRAFT]
    return draft


def _change(lab: Lab, change: Callable[[Draft], Draft]) -> None:
    """Make a change by click, unless nothing could be drawn after it."""
    try:
        draft = change(_typed())
        lab.editor.check(draft)
    except FallbackLabError as error:
        st.session_state[_PROBLEM] = str(error)
    else:
        st.session_state[_DRAFT] = draft


def _draw_changes(lab: Lab, draft: Draft, problem: str | None) -> None:
    """What is not saved yet, at the window's lower edge: there it is always in sight, and moves nothing."""
    is_old = draft.text != draft.before and lab.editor.differs(draft)
    with st.bottom:
        with st.container():  # of its own: what comes and goes in it moves no button to another place
            # What is wrong with the file itself is said above, on every page.
            told = (problem if draft.text != draft.before else None, st.session_state.pop(_PROBLEM, None))
            for sentence in dict.fromkeys(filter(None, told)):
                st.error(label(sentence), icon=":material/error:")
            if is_old:
                _draw_theirs(lab)
        if draft.text == draft.before:
            return
        diff = draft.diff()
        height: int | Literal["content"] = DIFF_HEIGHT if diff.count("\n") >= DIFF_LINES else "content"
        st.markdown("**Not saved yet**")
        st.code(diff, language="diff", wrap_lines=True, height=height)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text_input(
                "Why",
                key="chains_why",
                placeholder="Why, for the history: glm-5 is slow in the evening",
                label_visibility="collapsed",
                width="stretch",
            )
            # What these do is done before anything is drawn: a run of the page that is cut short loses no click.
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
            "models.yaml has changed since you read it. Nothing of yours is lost: it stands below.",
            icon=":material/group:",
            width="stretch",
        )
        st.button(
            "Take theirs in",
            key="chains_theirs",
            icon=":material/merge:",
            help="Your change is made to their version; it can be saved then",
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
            "You both changed the same lines. Your version would replace theirs: read the difference before you save."
        )


def _save(lab: Lab) -> None:
    draft = _typed()
    try:
        lab.editor.save(draft, st.session_state["chains_why"].strip() or "no reason given")
    except FallbackLabError as error:
        if not lab.editor.differs(draft):  # which is said as long as it is so
            st.session_state[_PROBLEM] = str(error)
    else:
        st.session_state[_DRAFT] = Draft(before=draft.text, text=draft.text)
        st.toast("Saved, and in force.", icon=":material/check:")


def _discard() -> None:
    draft = _typed()
    st.session_state[_DRAFT] = Draft(before=draft.before, text=draft.before)


def _roll_back(lab: Lab, version: Version) -> None:
    try:
        lab.editor.roll_back(version)
    except FallbackLabError as error:
        st.session_state[_PROBLEM] = str(error)
    else:
        st.toast("models.yaml is as it was then.", icon=":material/check:")


def _draw_chains(lab: Lab, config: Config) -> None:
    known = _known(lab, config)
    try:
        with st.spinner("Reading what was observed …", show_time=True):
            lines = chain_lines(lab.observed, config.chains, time.time())
    except StoreError as error:  # chains can be changed without their figures
        st.error(label(str(error)), icon=":material/error:")
        lines = chain_lines(None, config.chains, time.time())
    change = partial(_change, lab)
    for category in config.chains:
        edit_chain(lab, config, category, lines=lines[category], known=known, change=change)
    edit_limits(config.policy, change)
    st.caption(
        f"Beside each model: what was observed of it in its category in the last {DAYS} days; under each value its"
        " interval of 95 %, and how many requests it rests on. Rescued is the share of the requests that their primary"
        " failed which this model answered."
    )


def _drawn(lab: Lab) -> tuple[Config, list[str]]:
    """What others may change: models.yaml as it is in force, and what is wrong with it; the breakers' states."""
    config = lab.config()
    states = [lab.breaker(ref).state for chain in config.chains.values() for ref in chain.models]
    return config, [*states, *lab.notices()]


@st.fragment(run_every=FOLLOW_EVERY)
def _follow(lab: Lab, config: Config, states: list[str]) -> None:
    """Draw the page anew once that has changed."""
    now = _drawn(lab)
    if now[0] is not config or now[1] != states:
        st.rerun()


def _known(lab: Lab, config: Config) -> list[str]:
    """The models that can be added: those of the file, then those that its providers list."""
    found = [ref.text for chain in config.chains.values() for ref in chain.models]
    for name in lab.config().providers:  # the lists of those in force are known
        prefix = "" if name == config.default_provider else f"{name}:"
        found += [f"{prefix}{model}" for model in sorted(lab.models(name) or ())]
    return list(dict.fromkeys(found))


def _draw_text(draft: Draft) -> None:
    edit_text("models.yaml", draft.text, base=draft.before, key=_TEXT, on_typed=_typed)
    st.caption("Checked as you type.")


def _draw_history(lab: Lab) -> None:
    versions = lab.editor.history()
    if not versions:
        st.caption("Nothing has been changed from here yet.")
    try:
        text = lab.editor.draft().text
    except ConfigError as error:  # the file is gone, and what is not saved yet is all there is of it
        st.caption(label(str(error)))
        return
    for version in versions:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(version.until))
        with st.expander(f"{when}: {label(version.why)}", icon=":material/history:"):
            # The button comes first: what is above it must not grow under a hand that is about to click.
            st.button(
                "Go back to before this",
                key=f"back_{version.id}",
                icon=":material/undo:",
                help="models.yaml becomes as it was then. What came later is undone too, and stays in this history.",
                on_click=_roll_back,
                args=(lab, version),
            )
            st.caption("What has changed from just before it until the next entry above, or until now:")
            st.code(Draft(before=version.text, text=text).diff() or "Nothing.", language="diff")
        text = version.text


main(lab_or_stop())
