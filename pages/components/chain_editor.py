"""One category's chain, drawn to be changed: its models in order, its limits, its parameters."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
import streamlit as st

from router.config import Chain, Config, ModelRef
from router.errors import ConfigError, InvalidRequest
from router.lab import Lab
from router.observed.chains import DAYS, ModelLine
from router.tools import read_params
from router.words import abilities, place

from components.chain import draw_model
from components.limits import Change, edit_own_limits
from components.lists import read_lists
from components.markdown import label

WIDTH = 340
"""Pixels of a model's name with its buttons: more than a phone has is not taken."""


def edit_chain(
    lab: Lab,
    config: Config,
    category: str,
    *,
    lines: Mapping[str, ModelLine],
    known: list[str],
    change: Change,
) -> None:
    """The chain in a box of its own.

    Args:
        config: what the chain is of; it need not be in force.
        lines: what was observed of its models.
        known: models that can be added.
    """
    chain = config.chains[category]
    with st.container(border=True):
        st.markdown(f"##### {label(category)}", anchors=False)
        for number, ref in enumerate(chain.models):
            with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
                _draw_model(lab, category, chain, number, change)
                _draw_figures(lines.get(ref.text))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            _draw_add(lab, config, category, known, change)
            edit_own_limits(category, chain.policy, config.policy, change)
            _draw_params(category, chain, change)


def _draw_model(lab: Lab, category: str, chain: Chain, number: int, change: Change) -> None:
    """Its place, its name with the state of its breaker, and what can be done with it."""
    ref, names = chain.models[number], [ref.text for ref in chain.models]
    known = ref.provider in lab.config().providers

    def button(icon: str, words: str, models: list[str], *, disabled: bool) -> None:
        st.button(
            icon,
            key=f"chain_{category}_{number}_{words}",
            type="tertiary",
            help=f"{words} {label(ref.text)}",
            disabled=disabled,
            on_click=change,
            args=(lambda draft: draft.with_models(category, models),),
        )

    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width=WIDTH):
        with st.container(gap="xxsmall"):
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
                st.caption(place(number), width="content")
                if known:
                    _draw_breaker(lab, category, ref)
            if known:
                draw_model(lab, ref, number)
            else:
                st.badge(label(ref.text), color="gray", help="Its provider is not in force yet")
        button(":material/arrow_upward:", "Move up", _moved(names, number, -1), disabled=number == 0)
        button(":material/arrow_downward:", "Move down", _moved(names, number, 1), disabled=number == len(names) - 1)
        button(":material/close:", "Remove", names[:number] + names[number + 1 :], disabled=len(names) == 1)


def _draw_breaker(lab: Lab, category: str, ref: ModelRef) -> None:
    """Until when it is passed over, and the way to have it asked again at once."""
    breaker = lab.breaker(ref)
    if breaker.state == "closed":
        return
    until = time.strftime("%H:%M:%S", time.localtime(time.time() + (breaker.opens_in or 0)))
    state = f"passed over until {until}" if breaker.state == "open" else "tried by one call"
    st.markdown(f":small[:red[{state}]]", width="content")
    st.button(
        ":small[Reset]",
        key=f"reset_{category}_{ref.text}",
        type="tertiary",
        help=f"Close the circuit breaker of {label(ref.text)}: it is asked again at once",
        on_click=lab.reset_breaker,
        args=(ref,),
    )


def _draw_figures(line: ModelLine | None) -> None:
    """Its figures side by side, each with its interval and what it is of; aligned with those of the other models."""
    if line is None:
        st.caption(f"No request came to it in the last {DAYS} days.")
        return
    with st.grid(7, min_column_width=92, gap=("xsmall", "small")):
        for cell in line.cells():
            details = " ".join(part for part in (cell.between, cell.of) if part)
            st.markdown(f":small[:gray[{cell.name}]]  \n**{label(cell.value)}**  \n:small[:gray[{label(details)}]]")


def _moved(names: list[str], number: int, step: int) -> list[str]:
    moved = [*names[:number], *names[number + 1 :]]
    moved.insert(max(number + step, 0), names[number])
    return moved


def _draw_add(lab: Lab, config: Config, category: str, known: list[str], change: Change) -> None:
    names, key = [ref.text for ref in config.chains[category].models], f"add_{category}"

    def add() -> None:
        change(lambda draft: draft.with_models(category, [*names, model]))
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
    known = abilities(lab.facts(ref)) if ref.provider in lab.config().providers else ""
    return f"Asked of {ref.provider}" + (
        f": {known}" if known else ". Nothing is known of it: the provider's list was not read, or does not name it."
    )


def _draw_params(category: str, chain: Chain, change: Change) -> None:
    with st.popover("Parameters", icon=":material/tune:"), st.form(f"params_{category}", border=False):
        text = st.text_area(
            "Body fields of its requests, as JSON",
            value=msgspec.json.format(msgspec.json.encode(chain.params), indent=2).decode() if chain.params else "",
            placeholder='{"temperature": 0.2}',
            height=120,
            width=320,
        )
        if st.form_submit_button("Apply"):
            try:
                params: Mapping[str, Any] = read_params(text, own_controls=False)
            except InvalidRequest as error:
                st.error(label(str(error)), icon=":material/error:")
            else:
                change(lambda draft: draft.with_params(category, params))
                st.rerun()
