"""The choice of a single model: search, and what is known of each."""

from __future__ import annotations

import streamlit as st

from router.config.schema import Config
from router.core.capabilities import ModelInfo
from router.core.errors import ConfigError
from router.core.formatting import abilities, abilities_in_short
from router.lab import Lab

from components.shared.lists import read_lists
from components.shared.markdown import label

_CAN = ("tools", "images", "reasoning")
_GAP = " · "
"""Between a model's name and what is known of it."""


def pick_model(lab: Lab, config: Config) -> str:
    """The controls that choose a model; its reference."""
    needed = st.pills(
        "Known to support", _CAN, selection_mode="multi", format_func=str.capitalize, key="chat_model_can"
    )
    chosen = st.session_state["chat_model"] = _chosen(config)
    names = dict.fromkeys([chosen, *lab.named_models(config)])
    known = {name: info for name in names if (info := _known(lab, config, name)) is not None}
    fitting = [name for name, info in known.items() if name == chosen or all(getattr(info, can) for can in needed)]
    st.selectbox(
        "Model",
        fitting,
        format_func=lambda name: _GAP.join(filter(None, [name, abilities_in_short(known.get(name, ModelInfo()))])),
        key="chat_model",
        accept_new_options=True,
        help="Search by name, or by what a model can. Prices: per million tokens in and out. Another model:"
        " type `provider:model`.",
    )
    if facts := abilities(known[chosen]):
        st.caption(label(facts))
    read_lists(lab, "chat")
    return chosen


def _chosen(config: Config) -> str:
    """The model's reference, as it was chosen or typed."""
    # What a model costs may become known while the browser still has the words without it: it sends those, as if they
    # had been typed.
    typed: str = (st.session_state["chat_model"] or "").partition(_GAP)[0].strip()
    try:
        config.single(typed)
    except ConfigError as error:
        st.error(label(str(error)), icon=":material/error:")
        return config.known_models[0].text
    return typed


def _known(lab: Lab, config: Config, name: str) -> ModelInfo | None:
    """What is known of a model; None where its provider lists a name that cannot be used."""
    try:
        return lab.model_info(config.single(name).models[0])
    except ConfigError:
        return None
