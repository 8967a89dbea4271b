"""The editor of one category's chain: its models in order, its limits, its parameters."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import streamlit as st

from router.config.chains import Chain, ModelRef
from router.config.draft import Draft
from router.config.schema import Config
from router.core.errors import ConfigError
from router.core.formatting import abilities, place
from router.lab import Lab
from router.metrics.chains import ModelLine

from components.chains.figures import draw_figures, draw_names
from components.chains.limits import Change, edit_own_limits
from components.chains.parameters import edit_link, edit_params
from components.shared.chain import draw_model
from components.shared.icons import ICON
from components.shared.lists import read_lists
from components.shared.markdown import label
from components.shared.zone import when

WIDTH = 340
"""Pixels of a model's name with its buttons; narrower on a phone."""


def edit_chain(
    lab: Lab,
    config: Config,
    category: str,
    *,
    lines: Mapping[str, ModelLine],
    known: list[str],
    change: Change | None,
) -> None:
    """One chain in its own box.

    Args:
        config: the configuration that holds the chain; it may be an unsaved draft.
        lines: its models' statistics.
        known: models that can be added.
        change: None if read-only.
    """
    chain = config.chains[category]
    with st.container(border=True, key=f"chain_{category}"):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            st.markdown(f"## {label(category)}", anchors=False, width=WIDTH)
            draw_names()
        for number, ref in enumerate(chain.models):
            with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
                _draw_model(lab, category, chain, number, change)
                draw_figures(lines.get(ref.text))
        if change is None:
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            _draw_add(lab, config, category, known, change)
            edit_own_limits(category, chain.policy, config.policy, change)
            edit_params(category, chain, change)


def _draw_model(lab: Lab, category: str, chain: Chain, number: int, change: Change | None) -> None:
    """A model's place, its name with its breaker's state, what is set for it alone, and its buttons."""
    link = chain.links[number]
    ref, last = link.ref, len(chain.links) - 1
    known = ref.provider in lab.config().providers

    def button(name: str, icon: str, words: str, to: Callable[[Draft], Draft], *, disabled: bool) -> None:
        st.button(
            words,
            key=f"{ICON}{name}_{category}\n{ref.text}",
            icon=f":material/{icon}:",
            type="tertiary",
            help=words,
            disabled=disabled,
            on_click=change,
            args=(to,),
        )

    def moved(by: int) -> Callable[[Draft], Draft]:
        return lambda draft: draft.with_moved(category, ref.text, by)

    def removed(draft: Draft) -> Draft:
        return draft.without(category, ref.text)

    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width=WIDTH):
        with st.container(gap="xxsmall"):
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
                st.caption(place(number), width="content")
                if known:
                    _draw_breaker(lab, category, ref)
            if known:
                draw_model(lab, ref, number)
            else:
                st.badge(label(ref.text), color="gray", help="Save first: its provider is not active yet")
            if link.own:
                st.caption(label(f"Set for it alone: {', '.join(link.own)}"))
        if change is None:
            return
        edit_link(category, chain, link, change)
        name = label(ref.text)
        button("up", "arrow_upward", f"Move {name} up", moved(-1), disabled=number == 0)
        button("down", "arrow_downward", f"Move {name} down", moved(1), disabled=number == last)
        button("remove", "close", f"Remove {name}", removed, disabled=not last)


def _draw_breaker(lab: Lab, category: str, ref: ModelRef) -> None:
    """How long the model is skipped, with a button to reset its breaker."""
    breaker = lab.breaker(ref)
    if breaker.state == "closed":
        return
    until = when(time.time() + (breaker.opens_in or 0))
    state = f"skipped until {until:%H:%M:%S}" if breaker.state == "open" else "the next call tests it"
    st.markdown(f":small[:red[{state}]]", width="content")
    st.button(
        ":small[Reset]",
        key=f"reset_{category}\n{ref.text}",
        type="tertiary",
        help=f"Close the circuit breaker of {label(ref.text)}, so that it is called again",
        on_click=lab.reset_breaker,
        args=(ref,),
    )


def _draw_add(lab: Lab, config: Config, category: str, known: list[str], change: Change) -> None:
    names, key = [ref.text for ref in config.chains[category].models], f"add_{category}"

    def add() -> None:
        change(lambda draft: draft.with_added(category, model))
        st.session_state[key] = None

    with st.popover("Add a model", icon=":material/add:"):
        chosen = st.selectbox(
            "Model",
            [model for model in known if model not in names],
            index=None,
            key=key,
            placeholder="Search, or type provider:model",
            accept_new_options=True,
            width=WIDTH,
        )
        model = (chosen or "").strip()
        if model:
            st.caption(label(_abilities(lab, config, model)))
        st.button(
            f"Add as {place(len(names))}",
            key=f"adding_{category}",
            type="primary",
            icon=":material/add:",
            disabled=not model,
            on_click=add,
        )
        read_lists(lab, category)


def _abilities(lab: Lab, config: Config, model: str) -> str:
    try:
        ref = config.single(model).models[0]
    except ConfigError as error:
        return str(error)
    known = abilities(lab.model_info(ref)) if ref.provider in lab.config().providers else ""
    return f"From {ref.provider}" + (
        f": {known}" if known else ". No details: the provider's model list is not loaded or does not include it."
    )
