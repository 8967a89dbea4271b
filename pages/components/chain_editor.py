"""One category's chain, drawn to be changed: its models in order, its limits, its parameters."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import streamlit as st

from router.config import Chain, ChainPolicy, ModelRef
from router.editing import Draft
from router.errors import InvalidRequest
from router.lab import Lab
from router.observed.chains import ModelLine
from router.tools import read_params
from router.words import place

from components.chain import draw_model
from components.markdown import label

WIDTH = 340
"""Pixels of a model's name with its buttons: more than a phone has is not taken."""

Change = Callable[[Callable[[Draft], Draft]], None]
"""Takes a change of the draft, or says why it cannot be."""

LIMITS: Mapping[str, str] = {
    "first_token": "First token, in seconds",
    "stall": "Silence between two tokens, in seconds",
    "answer": "One whole answer, in seconds",
    "deadline": "The chain until its first token, in seconds",
    "max_answer": "One streamed answer, in seconds",
    "connect": "To open a connection, in seconds",
    "retries": "Retries of the same model",
}


def edit_chain(
    lab: Lab,
    category: str,
    chain: Chain,
    *,
    lines: Mapping[str, ModelLine],
    general: ChainPolicy,
    known: list[str],
    change: Change,
) -> None:
    """The chain in a box of its own.

    Args:
        lines: what was observed of its models.
        general: the limits of all chains.
        known: models that can be added.
    """
    with st.container(border=True):
        st.markdown(f"##### {label(category)}", anchors=False)
        for number, ref in enumerate(chain.models):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                _draw_model(lab, category, chain, number, change)
                _draw_figures(lines.get(ref.text))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            _draw_add(category, chain, known, change)
            _draw_limits(category, chain, general, change)
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
        st.caption("No request came to it.")
        return
    with st.grid(7, min_column_width=92, gap=("xsmall", "small")):
        for cell in line.cells():
            details = " ".join(part for part in (cell.between, cell.of) if part)
            st.markdown(f":small[:gray[{cell.name}]]  \n**{label(cell.value)}**  \n:small[:gray[{label(details)}]]")


def _moved(names: list[str], number: int, step: int) -> list[str]:
    moved = [*names[:number], *names[number + 1 :]]
    moved.insert(max(number + step, 0), names[number])
    return moved


def _draw_add(category: str, chain: Chain, known: list[str], change: Change) -> None:
    names = [ref.text for ref in chain.models]

    def add() -> None:
        if model := st.session_state[f"add_{category}"]:
            change(lambda draft: draft.with_models(category, [*names, model.strip()]))
        st.session_state[f"add_{category}"] = None

    st.selectbox(
        "Add a model",
        [model for model in known if model not in names],
        index=None,
        key=f"add_{category}",
        placeholder="Add a model",
        accept_new_options=True,
        on_change=add,
        label_visibility="collapsed",
        width=320,
    )


def _draw_limits(category: str, chain: Chain, general: ChainPolicy, change: Change) -> None:
    with st.popover("Limits", icon=":material/timer:"):
        st.caption("An empty field takes the limit of all chains.")
        for name, words in LIMITS.items():
            usual, own = getattr(general, name), getattr(chain.policy, name)
            key = f"limit_{category}_{name}_{own}"
            # Not as `value`: a field that begins with a number cannot be emptied.
            st.session_state.setdefault(key, own if own != usual else None)
            value = st.number_input(
                words,
                min_value=0 if name == "retries" else 0.1,
                value=None,
                step=1 if name == "retries" else None,
                placeholder=f"{usual:g}, as all chains",
                key=key,
            )
            if (value if value is not None else usual) != own:
                change(_limit(category, name, value))
                st.rerun()


def _limit(category: str, name: str, value: float | None) -> Callable[[Draft], Draft]:
    whole = int(value) if value is not None and value == int(value) else value
    return lambda draft: draft.with_policy(category, name, whole)


def _draw_params(category: str, chain: Chain, change: Change) -> None:
    with st.popover("Parameters", icon=":material/tune:"), st.form(f"params_{category}", border=False):
        text = st.text_area(
            "Body fields of its requests, as JSON",
            value=msgspec.json.format(msgspec.json.encode(chain.params), indent=2).decode() if chain.params else "",
            placeholder='{"temperature": 0.2}',
            height=120,
            width=320,
        )
        if st.form_submit_button("Take over"):
            try:
                params: Mapping[str, Any] = read_params(text, own_controls=False)
            except InvalidRequest as error:
                st.error(label(str(error)), icon=":material/error:")
            else:
                change(lambda draft: draft.with_params(category, params))
                st.rerun()
