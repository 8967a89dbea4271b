"""The alerts of models.yaml: what fires now, every rule with its figure, and a test message."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from router.alerts.watcher import Watching
from router.core.formatting import clock, counted
from router.lab import Lab

from components.shared.markdown import label
from components.shared.zone import zone

_SHOWN = 5
"""Firing alerts listed on the page; the rest are counted."""

_LOOKS = {
    "fires": ":red[:material/notifications_active:]",
    "recovers": ":orange[:material/notifications_active:]",
    "holds": ":orange[:material/notifications:]",
    "quiet": ":green[:material/check:]",
    "cannot tell": ":gray[:material/help:]",
}
_HELP = (
    "Rules under `alerts` in models.yaml. They count real traffic alone, whatever the filters here. A rule that fires"
    " is reported once; it is over when it has not held for a whole window."
)


def draw_alerts(lab: Lab, watched: Sequence[Watching]) -> None:
    """A line for the rules, and one for each that fires; nothing where there is no rule."""
    if not watched:
        return
    firing = [each for each in watched if each.is_firing]
    with st.container(gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            said = f":red[**{len(firing)} firing**]" if firing else "none firing"
            words = f":material/notifications: {counted(len(watched), 'alert')}, {said}"
            st.markdown(words, help=_HELP, width="content")
            with st.popover("Rules", icon=":material/rule:", key="dashboard_alerts"):
                if st.button("Send a test", icon=":material/send:", key="dashboard_alerts_test"):
                    _test(lab)
                for each in watched:
                    st.markdown(
                        f"{_LOOKS[each.word]} {label(each.rule.when.text)}  \n"
                        f":small[{label(f'{_now(each)} · to {each.rule.to}')}]"
                    )
        for each in firing[:_SHOWN]:
            st.markdown(f":small[{_LOOKS[each.word]} {label(f'{each.rule.when.text}: {_now(each)}')}]")
        if len(firing) > _SHOWN:
            st.caption(f"and {len(firing) - _SHOWN} more")


def _now(each: Watching) -> str:
    """The figure now, and since when it fires."""
    since = each.state.since
    return f"{each.reading.said}, {each.word}" + (
        f" since {clock(since, time.time(), zone())}" if since is not None else ""
    )


def _test(lab: Lab) -> None:
    with st.spinner("Sending a test …"):
        tested = lab.test_alerts()
    if tested.is_sent:
        st.success(label(tested.sentence), icon=":material/check:")
    else:
        st.error(label(tested.sentence), icon=":material/error:")
