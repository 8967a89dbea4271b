"""An empty conversation: what answers, prompts to begin with, and a fallback to watch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import msgspec
import streamlit as st

from router.chat.starters import DEMO_PROMPT, demo_faults, starters
from router.config.chains import Chain, ModelRef
from router.core.conversations import Settings, Turn
from router.lab import Lab

from components.chat.keys import ask_for_key, ask_for_keys, missing_keys
from components.shared.lab import this_viewer
from components.shared.markdown import label


def draw_welcome(lab: Lab, chain: Chain, settings: Settings, *, go: Callable[[Callable[[], Turn]], None]) -> None:
    """What to do first; `go` sends a request and shows its conversation."""
    reachable = [link.ref for link in lab.callable_links(chain)]
    stand_in = next((ref for ref in reachable if ref not in chain.models), None)
    missing = missing_keys(lab, chain)
    if stand_in is not None and missing:
        _draw_no_key(lab, stand_in, missing)
    else:
        ask_for_keys(lab, chain)
    st.markdown("## Ask something", text_alignment="center", anchors=False)
    if chain.name is None:
        st.caption("The model below answers alone, without fallbacks.", text_alignment="center")
    elif stand_in is None:
        st.caption("The chain below answers: its primary model first, then its fallbacks.", text_alignment="center")
    # What is sent here begins a conversation of its own, whose controls then show the starter's tools.
    ask = functools.partial(lab.chat.ask, lab.chat.new())
    with st.container(gap="xsmall"):
        for number, starter in enumerate(starters(chain.name)):
            if st.button(label(starter.prompt), key=f"chat_starter_{number}", width="stretch"):
                # Offered tools, the embedded model often gives no first token in time.
                needed = () if stand_in is not None else starter.tools
                tools = (*settings.tools, *(tool for tool in needed if tool not in settings.tools))
                go(functools.partial(ask, starter.prompt, msgspec.structs.replace(settings, tools=tools),
                                     faults=this_viewer().faults))  # fmt: skip
    if any(ref != chain.models[0] for ref in reachable):
        _draw_demo(chain, functools.partial(ask, DEMO_PROMPT, settings), go)


def _draw_no_key(lab: Lab, stand_in: ModelRef, missing: Mapping[str, str]) -> None:
    """What answers without a key, and where to add one; `missing` says by name what is wrong with each."""
    is_embedded = lab.config().providers[stand_in.provider].protocol == "embedded"
    with st.container(border=True):
        what, where = st.columns([4, 1], vertical_alignment="center")
        what.markdown(
            "**No key yet:** a tiny local model, SmolLM2 135M, answers so that you can try everything. Expect nonsense."
            if is_embedded
            else f"**No key yet:** {label(stand_in.text)}, the offline model, answers in place of this chain."
        )
        what.caption(label(" ".join(f"{problem}." for problem in missing.values())))
        with where.popover("Add a key", icon=":material/key:", width="stretch"):
            for name in missing:
                ask_for_key(lab, name)


def _draw_demo(chain: Chain, ask: Callable[..., Turn], go: Callable[[Callable[[], Turn]], None]) -> None:
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        if st.button("See a fallback happen", icon=":material/alt_route:", key="chat_demo", type="primary"):
            go(functools.partial(ask, faults=demo_faults(chain)))
        st.caption(f"{label(chain.models[0].text)} fails on purpose, and the next model answers.", width="content",
                   text_alignment="center")  # fmt: skip
