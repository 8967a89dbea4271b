"""What a prompt is asked with: the category or the model, the parameters, and the keys that are missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import streamlit as st

from router.config import Chain, Config
from router.errors import InvalidRequest
from router.lab import Lab
from router.store import Settings
from router.tools import read_params, read_schema

from components.markdown import label
from components.tools import edit_tools, load_tools

SINGLE = "Single model"


def load_settings(lab: Lab, settings: Settings | None, category: str | None = None) -> None:
    """Put settings into the controls: those that a conversation was asked with last, or a new one's."""
    config, state = lab.config(), st.session_state
    if settings is None and "chat_category" in state and category is None:
        return  # a new conversation goes on with what stands there
    settings = settings or Settings(category=category)
    state["chat_category"] = _choice(config, settings)
    state["chat_model"] = settings.model or _models(config)[0]
    state["chat_system"] = settings.system
    state["chat_temperature"] = settings.temperature
    state["chat_max_tokens"] = settings.max_tokens
    state["chat_schema"] = _pretty(settings.schema)
    state["chat_params"] = _pretty(settings.params)
    load_tools(settings.tools)


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


def edit_parameters() -> Settings:
    """The popover of everything else that a prompt is asked with."""
    with st.popover("Parameters", icon=":material/tune:"):
        return _parameters()


def _parameters() -> Settings:
    sampling, tools, schema = st.tabs(["Sampling", "Tools", "JSON answer"])
    with sampling:
        system = st.text_area("System prompt", key="chat_system", placeholder="None", height=120, width=360)
        left, right = st.columns(2)
        with left:
            temperature = st.number_input(
                "Temperature",
                min_value=0.0,
                max_value=2.0,
                step=0.1,
                value=None,
                placeholder="The model's own",
                key="chat_temperature",
            )
        with right:
            max_tokens = st.number_input(
                "Max tokens", min_value=1, step=1, value=None, placeholder="The model's own", key="chat_max_tokens"
            )
        params = _checked(
            read_params,
            st.text_area(
                "Other fields, as JSON",
                key="chat_params",
                placeholder='{"top_p": 0.9, "reasoning_effort": "high"}',
                height=68,
                width=360,
            ),
        )
    with tools:
        offered = edit_tools()
    with schema:
        st.caption("A JSON schema that the answer has to fit. What comes back is checked against it.")
        shape = _checked(
            read_schema,
            st.text_area("Schema", key="chat_schema", placeholder='{"type": "object", …}', height=200, width=360),
        )
    return Settings(
        system=system,
        temperature=temperature,
        max_tokens=max_tokens,
        tools=offered,
        schema=shape,
        params=params or {},
    )


def _checked(read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except InvalidRequest as error:
        st.error(label(str(error)), icon=":material/error:")
        return None


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
