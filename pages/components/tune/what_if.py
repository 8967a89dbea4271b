"""What if: another chain, other limits, something down; every figure is simulated beside the current chain's."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping

import msgspec
import pandas as pd
import streamlit as st

from router.config.chains import Chain, Link, parse_reference
from router.config.schema import Config
from router.core.errors import FallbackLabError
from router.core.formatting import counted, dollars, place, seconds
from router.lab import Lab
from router.tune.gathering import Evidence
from router.tune.scenarios import Scenario
from router.tune.simulated import FIGURES, Figure, Simulated
from router.tune.what_if import Seen, WhatIf

from components.shared import handover
from components.shared.following import follow
from components.shared.markdown import label
from components.tune.live import open_trial, trial_button

LIMITS = ("first_token", "deadline", "retries")
"""The limits that can be tried."""

_WATCHED = "tune_what_if"

_NONE = "–"

_NAMES = {
    "answered": "Answered",
    "quality": "Quality",
    "cost": "Cost per 1,000",
    "latency_p50": "Latency, p50",
    "latency_p95": "Latency, p95",
    "first_token_p50": "First token, p50",
    "first_token_p95": "First token, p95",
}


@st.fragment
def draw_what_if(lab: Lab, evidence: Evidence) -> None:
    """The controls, and the figures of both chains."""
    st.markdown("## What if", anchors=False)
    config = lab.config()
    current = config.chain(evidence.category)
    known = [*dict.fromkeys([*evidence.chain, *evidence.measured.models])]
    chain = _pick_chain(config, current, known)
    scenario = _pick_scenario(evidence)
    if chain is None:
        st.caption("Choose at least one model.")
        return
    try:
        what_if = lab.tuning.what_if(evidence.category, chain, scenario)
    except FallbackLabError as error:
        st.caption(label(str(error)))
        return
    _watch(what_if, is_changed=chain.fingerprint != current.fingerprint)
    if chain.fingerprint != current.fingerprint:
        _draw_next(lab, current, chain)


def _draw_next(lab: Lab, current: Chain, chain: Chain) -> None:
    """What can be done with the chain that was tried."""
    category = current.name or ""
    with st.container(horizontal=True):
        review = st.button("Review this chain", icon=":material/difference:", key="tune_what_if_apply",
                           disabled=lab.editor.read_only)  # fmt: skip
        on_traffic = trial_button(lab, category, "tune_what_if_trial")
    if not (review or on_traffic):
        return
    models = [ref.text for ref in chain.models]
    try:
        draft = lab.editor.draft().with_models(category, models)
        for name in LIMITS:
            if (limit := getattr(chain.policy, name)) != getattr(current.policy, name):
                draft = draft.with_policy(category, (name,), limit)
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
        return
    if review:
        handover.chains(draft, f"{category}: tried on the Tune page")
    open_trial(lab, category, draft, models)


def _pick_chain(config: Config, current: Chain, known: list[str]) -> Chain | None:
    """A place beside the other, then the limits."""
    names = [ref.text for ref in current.models]
    with st.container(horizontal=True):
        chosen = [
            st.selectbox(
                place(number).capitalize(),
                [_NONE, *known],
                index=known.index(names[number]) + 1 if number < len(names) and names[number] in known else 0,
                key=f"tune_place_{current.name}_{number}",
                bind="query-params",
                width=240,
            )
            for number in range(max(len(names) + 1, 3))
        ]
    models = [*dict.fromkeys(each for each in chosen if each != _NONE)]
    for model in models:
        if chosen.count(model) > 1:
            first = place(chosen.index(model))
            st.caption(f":orange[A chain holds a model once: {label(model)} is simulated as {first} alone.]")
    with st.container(horizontal=True):
        policy = current.policy
        first_token = st.number_input("First token at most, s", 0.1, 600.0, float(policy.first_token), 1.0,
                                      key=f"tune_first_token_{current.name}", width=200, format="%g",
                                      bind="query-params")  # fmt: skip
        deadline = st.number_input("Deadline, s", 1.0, 3600.0, float(policy.deadline), 10.0,
                                   key=f"tune_deadline_{current.name}", width=200, format="%g",
                                      bind="query-params")  # fmt: skip
        retries = st.selectbox("Retries", range(21), policy.retries, key=f"tune_retries_{current.name}", width=140,
                               bind="query-params")  # fmt: skip
    if not models:
        return None
    own = {link.ref.text: link for link in current.links}
    links = tuple(
        own.get(model) or Link(ref=parse_reference(model, config.providers, config.default_provider))
        for model in models
    )
    changed = policy.model_copy(update={"first_token": first_token, "deadline": deadline, "retries": retries})
    return msgspec.structs.replace(current, links=links, policy=changed)


def _pick_scenario(evidence: Evidence) -> Scenario:
    providers = {each.provider for each in evidence.measured.models.values()}
    with st.container(horizontal=True):
        down = st.multiselect("Down", [*evidence.measured.models, *sorted(providers)], key="tune_down", width=320,
                              bind="query-params", placeholder="nothing",
                              help="What these requests see while it lasts")  # fmt: skip
        prices = st.number_input(
            "Prices ×", 0.0, 1000.0, 1.0, 0.5, key="tune_prices", width=140, format="%g", bind="query-params"
        )
        traffic = st.number_input(
            "Traffic ×", 0.01, 1000.0, 1.0, 1.0, key="tune_traffic", width=140, format="%g", bind="query-params"
        )
    return Scenario(down=tuple(down), prices=prices, traffic=traffic)


def _watch(what_if: WhatIf, *, is_changed: bool) -> None:
    """The figures, and narrower ones as they are simulated; those of an earlier draft are not wanted any more."""
    earlier = st.session_state.get(_WATCHED)
    if earlier is not None and earlier is not what_if:
        earlier.cancel()
    st.session_state[_WATCHED] = what_if
    with st.container(key="tune_figures"):
        if what_if.seen().state == "simulating":
            follow(functools.partial(_looks, what_if, is_changed))
        else:
            _draw_figures(what_if.seen(), is_changed=is_changed)


def _looks(what_if: WhatIf, is_changed: bool) -> Iterator[None]:
    place, seen, drawn = st.empty(), what_if.seen(), None
    while seen.state == "simulating":
        if seen is not drawn:
            with place.container():
                _draw_figures(seen, is_changed=is_changed)
            drawn = seen
        yield
        seen = what_if.look()  # from now on, so that it does not compete with the page that is being drawn


def _draw_figures(seen: Seen, *, is_changed: bool) -> None:
    before, after, change = seen.figures
    rows = [
        {"figure": _NAMES[name], "now": _said(name, before[name]), "then": _said(name, after[name]),
         "change": _change(name, change)}
        for name in FIGURES
    ]  # fmt: skip
    column = st.column_config
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        alt="Simulated figures",
        column_config={
            "figure": "Figure",
            "now": column.TextColumn("This chain now", width="medium"),
            "then": column.TextColumn("What if", width="medium") if is_changed else None,
            "change": column.TextColumn("Change", width="medium", help="In the same simulated worlds, so it is known "
                                        "better than the two figures are") if is_changed else None,
        },
    )  # fmt: skip
    # Below the table, where it can break: of a text in a cell, a narrow window shows the beginning.
    answered = f"Answered by: {_places(seen.before)}"
    st.caption(label(f"{answered}. What if: {_places(seen.after)}." if is_changed else f"{answered}."))
    st.caption(
        f"Simulated: the engine itself on {counted(seen.before.requests, 'request')}, with models that behave as "
        f"measured. In brackets: the 95% interval. {_STATES[seen.state]}"
    )


_STATES = {
    "simulating": "Simulating longer makes it narrower …",
    "narrow": "What is left of it comes from few measurements: simulating longer would not make it narrower.",
    "longest": "It comes from few measurements, and to a small part from simulating no longer.",
}


def _said(name: str, figure: Figure) -> str:
    value, low, high, *_ = figure.estimate
    shown = [_figure(name, each) for each in (value, low, high)]
    return shown[0] if shown[0] == "unknown" else f"{shown[0]} ({shown[1]} to {shown[2]})"


def _change(name: str, change: Mapping[str, Figure]) -> str:
    value, low, high, *_ = change[name].estimate
    shown = [_signed(name, each) for each in (value, low, high)]
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if all(shown) else ""


def _signed(name: str, value: float | None) -> str:
    """Shares in points."""
    if value is None or math.isnan(value):
        return ""
    if name in ("answered", "quality"):
        return f"{100 * value:+.1f}"
    return f"{'-' if value < 0 else '+'}{dollars(abs(value)) if name == 'cost' else seconds(abs(value))}"


def _figure(name: str, value: float | None) -> str:
    if value is None or math.isnan(value):
        return "unknown"
    if name in ("answered", "quality"):
        return f"{value:.1%}"
    if name == "cost":
        return dollars(value)
    return seconds(value) if value < float("inf") else "never"


def _places(simulated: Simulated) -> str:
    return ", ".join(f"{place(number)} {share:.1%}" for number, share in enumerate(simulated.places())) or "no model"
