"""Chains: each category's models in order, changed by hand; nothing is in force before it is saved."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import streamlit as st

from router.config import Config
from router.editing import Draft
from router.errors import FallbackLabError
from router.lab import Lab
from router.observed.chains import DAYS, chain_lines

from components.chain_editor import edit_chain
from components.lab import lab_or_stop
from components.limits import edit_limits
from components.markdown import label

BREAKERS_EVERY = 2.0
"""Seconds between two looks at the breakers."""

_DRAFT, _PROBLEM = "chains_draft", "chains_problem"


def main(lab: Lab) -> None:
    """The page, from top to bottom."""
    draft = _draft(lab)
    config = _check(lab, draft)
    if problem := st.session_state.pop(_PROBLEM, None):
        st.error(label(problem), icon=":material/error:")
    _draw_changes(lab, draft, valid=config is not None)
    chains, text, history = st.tabs(["Chains", "models.yaml", "History"])
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


def _check(lab: Lab, draft: Draft) -> Config | None:
    try:
        return lab.editor.check(draft)
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
        return None


def _change(change: Callable[[Draft], Draft]) -> None:
    try:
        st.session_state[_DRAFT] = change(st.session_state[_DRAFT])
    except FallbackLabError as error:
        st.session_state[_PROBLEM] = str(error)


def _draw_changes(lab: Lab, draft: Draft, *, valid: bool) -> None:
    if draft.text == draft.before:
        st.caption(f"What is saved here goes into `{lab.path}` and is in force at once, for everybody.")
        return
    with st.container(border=True):
        st.markdown("**Not saved yet**")
        st.code(draft.diff(), language="diff", wrap_lines=True)
        why = st.text_input(
            "Why", key="chains_why", placeholder="For the history, such as: glm-5 is slow in the evening"
        )
        with st.container(horizontal=True):
            if st.button("Save", type="primary", icon=":material/save:", disabled=not valid, key="chains_save"):
                _save(lab, draft, why)
            if st.button("Discard", icon=":material/undo:", type="tertiary", key="chains_discard"):
                del st.session_state[_DRAFT]
                st.rerun()


def _save(lab: Lab, draft: Draft, why: str) -> None:
    try:
        lab.editor.save(draft, why.strip() or "no reason given")
    except FallbackLabError as error:
        st.session_state[_PROBLEM] = str(error)
    else:
        del st.session_state[_DRAFT]
        st.toast("Saved, and in force.", icon=":material/check:")
    st.rerun()


def _draw_chains(lab: Lab, config: Config) -> None:
    known = _known(lab, config)
    lines = chain_lines(lab.observed, config.chains, time.time())
    _follow_breakers(lab, _breakers(lab))
    for category, chain in config.chains.items():
        edit_chain(lab, category, chain, lines=lines[category], general=config.policy, known=known, change=_change)
    edit_limits(config.policy, _change)
    st.caption(
        f"Beside each model: what was observed of it in its category in the last {DAYS} days; under each value its"
        " interval of 95 %, and how many requests it rests on."
    )


def _breakers(lab: Lab) -> list[str]:
    return [lab.breaker(ref).state for chain in lab.config().chains.values() for ref in chain.models]


@st.fragment(run_every=BREAKERS_EVERY)
def _follow_breakers(lab: Lab, drawn: list[str]) -> None:
    """Draw the page anew once a breaker has opened or closed."""
    if _breakers(lab) != drawn:
        st.rerun()


def _known(lab: Lab, config: Config) -> list[str]:
    """The models that can be added: those of the file, then those that its providers list."""
    found = [ref.text for chain in config.chains.values() for ref in chain.models]
    for name in lab.config().providers:  # the lists of those in force are known
        prefix = "" if name == config.default_provider else f"{name}:"
        found += [f"{prefix}{model}" for model in sorted(lab.models(name) or ())]
    return list(dict.fromkeys(found))


def _draw_text(draft: Draft) -> None:
    key = f"chains_text_{hash(draft.text)}"

    def take() -> None:
        _change(lambda draft: msgspec.structs.replace(draft, text=st.session_state[key]))

    st.text_area("models.yaml", value=draft.text, height=600, key=key, on_change=take, label_visibility="collapsed")
    st.caption("Checked when you leave the field.")


def _draw_history(lab: Lab) -> None:
    versions = lab.editor.history()
    if not versions:
        st.caption("Nothing has been changed from here yet.")
    for version in versions:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(version.until))
        with st.expander(f"{when}: {label(version.why)}", icon=":material/history:"):
            st.code(
                Draft(before=version.text, text=lab.editor.draft().text).diff() or "The same as now.", language="diff"
            )
            st.caption("What changed from this version to the file as it is now.")
            if st.button("Put this version in force again", key=f"back_{version.id}", icon=":material/undo:"):
                try:
                    lab.editor.roll_back(version)
                except FallbackLabError as error:
                    st.session_state[_PROBLEM] = str(error)
                st.session_state.pop(_DRAFT, None)
                st.rerun()


main(lab_or_stop())
