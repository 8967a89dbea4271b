"""What if: another chain, other limits, something down; every figure is simulated beside the current chain's."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from router.config.schema import Chain, Config, Link, parse_reference
from router.core.errors import FallbackLabError
from router.core.formatting import counted, dollars, place, seconds
from router.lab import Lab
from router.metrics.estimates import Estimate
from router.tune.scenarios import Scenario
from router.tune.simulation import Simulated
from router.tune.tuning import Evidence

from components.shared import handover
from components.shared.markdown import label

AT_MOST = 0.12
"""Seconds for each of two simulations: figures should follow a change at once."""

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
        before, after = (
            lab.tuning.simulate(evidence.category, each, scenario, at_most=AT_MOST) for each in (current, chain)
        )
    except FallbackLabError as error:
        st.caption(label(str(error)))
        return
    _draw_figures(before, after, same=chain.links == current.links and chain.policy == current.policy)
    models = [ref.text for ref in chain.models]
    if models == [*evidence.chain] or lab.editor.read_only:
        return
    if st.button("Review this chain", icon=":material/difference:", key="tune_what_if_apply"):
        draft = lab.editor.draft().with_models(evidence.category, models)
        handover.chains(draft, f"{evidence.category}: tried on the Tune page")


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
                width=240,
            )
            for number in range(max(len(names) + 1, 3))
        ]
    models = [*dict.fromkeys(each for each in chosen if each != _NONE)]
    with st.container(horizontal=True):
        policy = current.policy
        first_token = st.number_input("First token at most, s", 0.1, 600.0, float(policy.first_token), 1.0,
                                      key=f"tune_first_token_{current.name}", width=200)  # fmt: skip
        deadline = st.number_input("Deadline, s", 1.0, 3600.0, float(policy.deadline), 10.0,
                                   key=f"tune_deadline_{current.name}", width=200)  # fmt: skip
        retries = st.number_input("Retries", 0, 20, policy.retries, key=f"tune_retries_{current.name}", width=140)
    if not models:
        return None
    own = {link.ref.text: link for link in current.links}
    links = tuple(
        own.get(model) or Link(ref=parse_reference(model, config.providers, config.default_provider))
        for model in models
    )
    changed = policy.model_copy(update={"first_token": first_token, "deadline": deadline, "retries": retries})
    return current.changed(links=links, policy=changed)


def _pick_scenario(evidence: Evidence) -> Scenario:
    providers = {each.provider for each in evidence.measured.models.values()}
    with st.container(horizontal=True):
        down = st.multiselect("Down", [*evidence.measured.models, *sorted(providers)], key="tune_down", width=320,
                              placeholder="nothing", help="What these requests see while it lasts")  # fmt: skip
        prices = st.number_input("Prices ×", 0.0, 1000.0, 1.0, 0.5, key="tune_prices", width=140)
        traffic = st.number_input("Traffic ×", 0.01, 1000.0, 1.0, 1.0, key="tune_traffic", width=140)
    return Scenario(down=tuple(down), prices=prices, traffic=traffic)


def _draw_figures(before: Simulated, after: Simulated, *, same: bool) -> None:
    now, then = before.figures(), after.figures()
    rows = [
        {"figure": words, "now": _said(name, now[name]), "then": "" if same else _said(name, then[name])}
        for name, words in _NAMES.items()
    ]
    rows += [{"figure": "Answered by", "now": _places(before), "then": "" if same else _places(after)}]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        alt="Simulated figures",
        column_config={"figure": "Figure", "now": "This chain now", "then": None if same else "What if"},
    )
    st.caption(
        f"Simulated: the engine itself on {counted(before.requests, 'request')}, with models that behave as measured. "
        "In brackets: the 95 % interval, of few measurements and few simulated requests together."
    )


def _said(name: str, value: Estimate) -> str:
    shown = [_figure(name, each) for each in (value.value, value.low, value.high)]
    return shown[0] if shown[0] == "unknown" else f"{shown[0]} ({shown[1]} to {shown[2]})"


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
