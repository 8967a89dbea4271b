"""Lanes whose models cannot be called now, said before anything is asked."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from router.core.runs import Lane
from router.lab import Lab

from components.shared.markdown import label


def draw_unreachable(lab: Lab, lanes: Iterable[Lane]) -> None:
    """A line for all lanes that nobody, or the offline model alone, can answer; nothing where there is none."""
    config, why = lab.config(), dict[str, None]()
    silent, replaced = list[str](), dict[str, list[str]]()
    for lane in lanes:
        own = lane.settings
        chain = config.single(own.model) if own.model is not None else config.chain(own.category or "")
        reachable = [link.ref for link in lab.callable_links(chain)]
        if reachable and reachable[0] in chain.models:
            continue
        problems = (lab.problem(ref.provider) for ref in chain.models)
        why |= dict.fromkeys(problem.detail for problem in problems if problem is not None)
        if reachable:
            replaced.setdefault(reachable[0].text, []).append(lane.name)
        else:
            silent.append(lane.name)
    said = [f"{name} answers in place of {', '.join(names)}." for name, names in replaced.items()]
    said += [f"{', '.join(silent)} cannot answer."] if silent else []
    if said:
        st.markdown(f":orange[:material/key_off: {label(' '.join([*said, *(f'{each}.' for each in why)]))}]")
