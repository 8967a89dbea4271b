"""The providers' lists of models: which were read, and the way to read them now."""

from __future__ import annotations

import streamlit as st

from router.lab import Lab

from components.markdown import label

_UNREAD = "lists_unread"
"""By provider, why its list could not be read when that was last asked for."""


def read_lists(lab: Lab, key: str) -> None:
    """What can be searched, and a button that reads the lists; nothing is read before it is pressed."""
    providers = lab.config().providers
    counts = {name: len(lab.models(name) or ()) for name in providers}
    read = ", ".join(f"{count:,} of {name}" for name, count in counts.items() if count)
    st.caption(label(f"Models that can be searched: those of the chains, {read}." if read else "No list was read yet."))
    if st.button("Read the providers' lists", key=f"lists_{key}", icon=":material/cloud_download:"):
        with st.spinner("Reading …"):
            st.session_state[_UNREAD] = _read(lab)
        st.rerun()
    for name, reason in st.session_state.get(_UNREAD, {}).items():
        st.caption(label(f"{name}: {reason.rstrip('.')}."))


def _read(lab: Lab) -> dict[str, str]:
    """Read them all; OpenRouter's is public, others want the key that the provider has."""
    providers = lab.config().providers
    keyless = {
        name: problem
        for name, provider in providers.items()
        if not provider.is_openrouter and (problem := lab.keys.problem(*provider.api_key))
    }
    return {**keyless, **lab.read_lists(providers.keys() - keyless.keys(), anyway=True)}
