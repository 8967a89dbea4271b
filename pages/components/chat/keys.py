"""Missing keys: which ones, and where to add them."""

from __future__ import annotations

import streamlit as st

from router.config.chains import Chain
from router.lab import Lab

from components.shared.markdown import label


def ask_for_keys(lab: Lab, chain: Chain) -> None:
    """For each missing key: the line to add to .env, and a field to enter it.

    If none is missing, the keys that may not be sent to their configured host.
    """
    lacking = missing_keys(lab, chain)
    for name, problem in lacking.items():
        with st.expander(f"{label(problem)}: how to add it", icon=":material/key:", type="compact"):
            ask_for_key(lab, name)
    if not lacking:
        for unusable in filter(None, map(lab.problem, dict.fromkeys(ref.provider for ref in chain.models))):
            if unusable.reason == "no_key":
                st.warning(label(f"{unusable.detail}."), icon=":material/lock:")


def missing_keys(lab: Lab, chain: Chain) -> dict[str, str]:
    """What is wrong with each key that a chain's providers lack, by the name of its variable."""
    providers = lab.config().providers
    return {
        names[0]: problem
        for provider in dict.fromkeys(ref.provider for ref in chain.models)
        for names in providers[provider].variables
        if (problem := lab.keys.problem(*names))
    }


def ask_for_key(lab: Lab, name: str) -> None:
    """The line to add to .env for a key, and a field to enter it."""
    st.markdown(
        f"Add this line to {label(str(lab.path.parent / '.env'))}. It takes effect immediately, without a restart."
    )
    st.code(f"{name}=…", language="bash")
    with st.form(f"key_{name}", border=False, clear_on_submit=True):
        value = st.text_input(
            "Or enter it here; it is kept only in memory, until the app stops",
            type="password",
            autocomplete="off",
        )
        if st.form_submit_button("Use this key"):
            lab.keys.hold(name, value)
            st.rerun()
