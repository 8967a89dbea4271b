"""The providers' model lists: which are loaded, and a button to load them."""

from __future__ import annotations

import streamlit as st

from router.lab import Lab

from components.shared.markdown import label

_UNREAD = "lists_unread"
"""By provider, why its list could not be loaded last time."""


def read_lists(lab: Lab, key: str) -> None:
    """What can be searched, and a button that loads the lists; nothing is loaded until it is pressed."""
    providers = lab.config().providers
    counts = {name: len(lab.models(name) or ()) for name in providers}
    read = ", ".join(f"{count:,} from {name}" for name, count in counts.items() if count)
    st.caption(label(f"Searchable models: those in the chains, {read}." if read else "No model list loaded yet."))
    if st.button("Load the providers' model lists", key=f"lists_{key}", icon=":material/cloud_download:"):
        with st.spinner("Loading …"):
            st.session_state[_UNREAD] = _read(lab)
        st.rerun()
    for name, reason in st.session_state.get(_UNREAD, {}).items():
        st.caption(label(f"{name}: {reason.rstrip('.')}."))


def _read(lab: Lab) -> dict[str, str]:
    """Load all lists; OpenRouter's is public, others need the provider's key."""
    providers = lab.config().providers
    keyless = {
        name: problem.detail
        for name, provider in providers.items()
        if not provider.is_openrouter and (problem := lab.problem(name))
    }
    return {**keyless, **lab.read_lists(providers.keys() - keyless.keys(), force=True)}
