"""The chains in the formats of the gateways that people already run."""

from __future__ import annotations

import streamlit as st

from router.config.schema import Config
from router.core.errors import InvalidRequest
from router.core.formatting import counted
from router.gateways import TARGETS

from components.shared.markdown import faithful, label

_ALL = "All chains"


def draw_exports(config: Config) -> None:
    """A chain, or all of them, in the format of another gateway, and what that cannot express."""
    st.caption("What models.yaml has saved, in another gateway's format. Keys appear as their variables' names.")
    with st.container(horizontal=True, gap="small"):
        target = st.selectbox(
            "Gateway", list(TARGETS), format_func=lambda name: TARGETS[name].name, key="export_target", width=280
        )
        category = st.selectbox("Chain", [_ALL, *config.chains], key="export_category", width=280)
    chains = [chain for name, chain in config.chains.items() if category in (_ALL, name)]
    try:
        exported = TARGETS[target].export(config, chains)
    except InvalidRequest as problem:
        st.info(label(str(problem)), icon=":material/info:")
        return
    st.download_button(
        f"Download {label(exported.file_name)}",
        exported.text,
        exported.file_name,
        icon=":material/download:",
        key="export_file",
    )
    if exported.lost:
        things = counted(len(exported.lost), "thing")
        with st.expander(f"{things} that cannot be expressed there", icon=":material/warning:"), st.container(gap=None):
            for lost in exported.lost:
                st.markdown(f"- {faithful(str(lost))}")
    st.code(exported.text, language=exported.language)
