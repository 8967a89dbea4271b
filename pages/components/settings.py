"""What a prompt is asked with: the category or the model, the parameters, and the keys that are missing."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from router.config import Chain, Config
from router.lab import Lab
from router.store import Settings

from components.markdown import label

SINGLE = "Single model"


def pick_settings(lab: Lab, last: Settings | None, *, on_new: Callable[[], None]) -> Settings:
    """The row of controls over a conversation.

    Args:
        last: what the conversation was asked with last, the default after a reload.
        on_new: begins a new conversation.
    """
    config = lab.config()
    categories = list(config.chains)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choice = st.segmented_control(
            "Answer with",
            [*categories, SINGLE],
            default=_default_choice(config, last),
            required=True,
            wrap=True,
            key="chat_category",
            help="A category asks its chain: the primary model first, then its fallbacks.",
        )
        model = _pick_model(config, last) if choice == SINGLE else None
        with st.popover("Parameters", icon=":material/tune:"):
            system, temperature, max_tokens = _parameters(last)
        st.button(
            "New",
            icon=":material/add_comment:",
            help="Begin a new conversation",
            on_click=on_new,
            disabled=last is None,
        )
    return Settings(
        category=choice if model is None else None,
        model=model,
        system=system,
        temperature=temperature,
        max_tokens=max_tokens,
    )


def _default_choice(config: Config, last: Settings | None) -> str:
    if last is not None and last.model is not None:
        return SINGLE
    if last is not None and last.category in config.chains:
        return last.category or ""
    return "conversation" if "conversation" in config.chains else next(iter(config.chains))


def _pick_model(config: Config, last: Settings | None) -> str:
    known = list(dict.fromkeys(ref.text for chain in config.chains.values() for ref in chain.models))
    if config.offline is not None and config.offline.text not in known:
        known.append(config.offline.text)
    if last is not None and last.model is not None and last.model not in known:
        known.append(last.model)
    model = st.selectbox(
        "Model",
        known,
        index=known.index(last.model) if last is not None and last.model is not None else 0,
        key="chat_model",
        accept_new_options=True,
        help="Pick one of models.yaml, or type another as `provider:model`.",
        width=320,
    )
    return model or known[0]


def _parameters(last: Settings | None) -> tuple[str, float | None, int | None]:
    last = last or Settings()
    system = st.text_area(
        "System prompt", value=last.system, key="chat_system", placeholder="None", height=120, width=360
    )
    temperature = st.number_input(
        "Temperature",
        min_value=0.0,
        max_value=2.0,
        step=0.1,
        value=last.temperature,
        placeholder="The model's own",
        key="chat_temperature",
    )
    max_tokens = st.number_input(
        "Max tokens",
        min_value=1,
        step=1,
        value=last.max_tokens,
        placeholder="The model's own",
        key="chat_max_tokens",
    )
    return system, temperature, max_tokens


def ask_for_keys(lab: Lab, chain: Chain) -> None:
    """For each key that the chain's models lack: the line to add to .env, and a field to type it in."""
    config = lab.config()
    for names in dict.fromkeys(config.providers[ref.provider].api_key for ref in chain.models):
        if problem := lab.keys.problem(*names):
            _ask_for_key(lab, names[0], problem)


def _ask_for_key(lab: Lab, name: str, problem: str) -> None:
    with st.expander(f"{label(problem)}: how to add it", icon=":material/key:", type="compact"):
        st.markdown(f"Add this line to `{lab.path.parent / '.env'}`. It is taken up at once, without a restart.")
        st.code(f"{name}=…", language="bash")
        with st.form(f"key_{name}", border=False, clear_on_submit=True):
            value = st.text_input(
                "Or type it here; it is held in memory until the app ends, and nowhere else",
                type="password",
                autocomplete="off",
            )
            if st.form_submit_button("Use this key"):
                lab.keys.hold(name, value)
                st.rerun()
