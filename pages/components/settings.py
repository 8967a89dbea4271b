"""What a prompt is asked with: the category or the model, the parameters, and the keys that are missing."""

from __future__ import annotations

from typing import Any

import msgspec
import streamlit as st

from router.config import Chain, Config
from router.lab import Lab
from router.store import Settings
from router.tools import read_params, read_schema

from components.markdown import label
from components.tools import WRONG, checked, edit_tools

SINGLE = "Single model"


def load_settings(lab: Lab, settings: Settings | None, category: str | None = None) -> None:
    """Choose what the controls begin with: a conversation's last settings; a new one's are the page's."""
    config, state = lab.config(), st.session_state
    if settings is None:
        settings = Settings(category=category) if category is not None else state.get("chat_settings", Settings())
    state["chat_begin"] = settings
    state["chat_category"] = _choice(config, settings)
    state["chat_model"] = settings.model or _models(config)[0]


def _choice(config: Config, settings: Settings) -> str:
    if settings.model is not None:
        return SINGLE
    if settings.category in config.chains:
        return settings.category or ""
    return "conversation" if "conversation" in config.chains else next(iter(config.chains))


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() if value else ""


def pick_target(config: Config) -> tuple[str | None, str | None]:
    """The category whose chain answers, or the single model that does."""
    if st.session_state["chat_category"] not in (*config.chains, SINGLE):  # models.yaml has changed
        st.session_state["chat_category"] = _choice(config, Settings())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choice = st.segmented_control(
            "Answer with",
            [*config.chains, SINGLE],
            required=True,
            wrap=True,
            key="chat_category",
            help="A category asks its chain: the primary model first, then its fallbacks.",
        )
        return (None, _pick_model(config)) if choice == SINGLE else (choice, None)


def _models(config: Config) -> list[str]:
    known = list(dict.fromkeys(ref.text for chain in config.chains.values() for ref in chain.models))
    if config.offline is not None and config.offline.text not in known:
        known.append(config.offline.text)
    return known


def _pick_model(config: Config) -> str:
    known = _models(config)
    if (chosen := st.session_state["chat_model"]) not in known:
        known.append(chosen)
    model = st.selectbox(
        "Model",
        known,
        key="chat_model",
        accept_new_options=True,
        help="Pick one of models.yaml, or type another as `provider:model`.",
        width=320,
    )
    return model or known[0]


def edit_parameters(conversation: str) -> Settings:
    """The popover of everything else that a prompt is asked with.

    Its controls have keys of their own in each conversation, and what they begin with as their default: the browser
    makes them when the popover is opened first, knows nothing of what the session's state held before, and would send
    one conversation's values in another.
    """
    st.session_state[WRONG] = ""
    with st.popover("Parameters", icon=":material/tune:"):
        return _parameters(st.session_state["chat_begin"], conversation)


def _parameters(begin: Settings, conversation: str) -> Settings:
    sampling, tools, schema = st.tabs(["Sampling", "Tools", "JSON answer"])
    with sampling:
        settings = _sampling(begin, conversation)
    with tools:
        offered = edit_tools(begin.tools, conversation)
    with schema:
        st.caption("A JSON schema that the answer has to fit. What comes back is checked against it.")
        text = st.text_area(
            "Schema",
            value=_pretty(begin.schema),
            key=f"chat_schema_{conversation}",
            placeholder='{"type": "object", …}',
            height=200,
            width=360,
        )
        return msgspec.structs.replace(settings, tools=offered, schema=checked(read_schema, text))


def _sampling(begin: Settings, conversation: str) -> Settings:
    system = st.text_area(
        "System prompt",
        value=begin.system,
        key=f"chat_system_{conversation}",
        placeholder="None",
        height=120,
        width=360,
    )
    left, right = st.columns(2)
    temperature = left.number_input(
        "Temperature",
        min_value=0.0,
        max_value=2.0,
        step=0.1,
        value=begin.temperature,
        placeholder="The model's own",
        key=f"chat_temperature_{conversation}",
    )
    max_tokens = right.number_input(
        "Max tokens",
        min_value=1,
        step=1,
        value=begin.max_tokens,
        placeholder="The model's own",
        key=f"chat_max_tokens_{conversation}",
    )
    text = st.text_area(
        "Other fields, as JSON",
        value=_pretty(begin.params),
        key=f"chat_params_{conversation}",
        placeholder='{"top_p": 0.9, "reasoning_effort": "high"}',
        height=68,
        width=360,
    )
    params = checked(read_params, text) or {}
    return Settings(system=system, temperature=temperature, max_tokens=max_tokens, params=params)


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
