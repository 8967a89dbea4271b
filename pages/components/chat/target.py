"""What answers: the chain of a category, or a single model."""

from __future__ import annotations

import streamlit as st

from router.config.chains import Chain
from router.config.schema import Config
from router.core.conversations import Settings
from router.core.formatting import abilities_in_short
from router.lab import Lab

from components.chat.models import pick_model
from components.shared.chain import draw_model
from components.shared.markdown import label
from components.shared.style import TALL

SINGLE = "Single model"


def load_target(config: Config, settings: Settings) -> None:
    """Set the controls to what answers a conversation."""
    st.session_state["chat_category"] = _choice(config, settings)
    st.session_state["chat_model"] = settings.model or config.known_models[0].text


def _choice(config: Config, settings: Settings) -> str:
    if settings.model is not None:
        return SINGLE
    if settings.category in config.chains:
        return settings.category or ""
    return config.default_category


def pick_target(lab: Lab) -> tuple[Chain, Settings]:
    """The popover that says what answers.

    Returns:
        The chain, and settings with its category or its model.
    """
    config, state = lab.config(), st.session_state
    if state["chat_category"] not in (*config.chains, SINGLE):  # models.yaml has changed
        state["chat_category"] = _choice(config, Settings())
    is_single = state["chat_category"] == SINGLE
    target = st.popover(
        label((state["chat_model"] or SINGLE) if is_single else state["chat_category"]),
        icon=":material/smart_toy:" if is_single else ":material/alt_route:",
        key="chat_target",
    )
    with target, st.container(key=TALL):
        choice = st.segmented_control(
            "Answer with",
            [*config.chains, SINGLE],
            required=True,
            wrap=True,
            key="chat_category",
            help="A category uses its chain: the primary model first, then its fallbacks.",
        )
        if choice == SINGLE:
            model = pick_model(lab, config)
            return config.single(model), Settings(model=model)
        chain = config.chain(choice or "")
        _draw_links(lab, chain)
        return chain, Settings(category=choice)


def _draw_links(lab: Lab, chain: Chain) -> None:
    """The chain's models, one below the other, with what is known of each."""
    with st.container(gap="xsmall"):
        for number, ref in enumerate(chain.models):
            with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
                st.caption(f"{number + 1}.", width="content")
                draw_model(lab, ref, number)
                st.caption(label(abilities_in_short(lab.model_info(ref))), width="content")
