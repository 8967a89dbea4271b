"""Pages' access to the Lab, and the Lab's view of a browser session."""

from __future__ import annotations

import uuid

import streamlit as st

from router.compare import Run
from router.core.errors import ConfigError
from router.engine.faults import Faults
from router.engine.handle import Handle
from router.lab import Lab, open_lab

from components.shared.markdown import label


def lab_or_stop() -> Lab:
    """The Lab; if models.yaml is unusable, shows the reason and stops the page."""
    try:
        return open_lab()
    except ConfigError as error:
        st.error(label(str(error)), icon=":material/error:")
        st.caption("Fix the file, then try again.")
        st.button("Try again", icon=":material/refresh:")
        st.stop()


class Viewer:
    """One browser session: the requests it watches are stopped some time after it ends."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self.faults = Faults()
        self._seen: set[Handle | Run] = set()

    def look_at(self, seen: Handle | Run) -> None:
        if seen not in self._seen:
            self._seen.add(seen)
            seen.attach(self._id)

    def leave(self) -> None:
        for seen in self._seen:
            seen.detach(self._id)


@st.cache_resource(scope="session", show_spinner=False, on_release=lambda viewer: viewer.leave())
def this_viewer() -> Viewer:
    """The viewer of this session; Streamlit releases it when the session ends."""
    return Viewer()
