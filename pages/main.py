"""The frame of every page: title, navigation, and notices."""

from typing import Literal

import streamlit as st

from router.core.errors import StoreError

from components.shared.following import no_dialog
from components.shared.icons import hide_labels
from components.shared.lab import lab_or_stop
from components.shared.markdown import label
from components.shared.popovers import lead_into_popovers
from components.shared.style import PAGES, draw_style

# The tab's icon is an emoji: one by its name would be asked of a server that is not ours. Said first, as the navigation
# takes that of the page otherwise.
st.set_page_config(page_icon="🔀")
chat = st.Page("chat.py", title="Chat", icon=":material/forum:", default=True)
compare = st.Page("compare.py", title="Compare", icon=":material/compare_arrows:")
evaluate = st.Page("evaluate.py", title="Evaluate", icon=":material/fact_check:")
dashboard = st.Page("dashboard.py", title="Dashboard", icon=":material/monitoring:")
chains = st.Page("chains.py", title="Chains", icon=":material/account_tree:")
tune = st.Page("tune.py", title="Tune", icon=":material/tune:")
pages = [chat, compare, evaluate, dashboard, tune, chains]
page = st.navigation(pages, position="top")
# Narrow enough for text, wide enough for lanes and tables.
layout: Literal["centered", "wide"] = "centered" if page == chat else "wide"
st.set_page_config(page_title=f"{page.title} · Fallback Lab", layout=layout)
hide_labels()
draw_style()
with st.container(key="title"):
    st.markdown("# :material/alt_route: Fallback Lab", anchors=False)
with st.container(horizontal=True, wrap=False, gap="xsmall", horizontal_alignment="distribute", key=PAGES):
    for other in pages:
        st.page_link(other, icon="")
no_dialog()
lead_into_popovers()
for notice in lab_or_stop().notices():
    st.warning(label(notice), icon=":material/warning:")
# A page's URL holds its state, which the navigation's links do not have.
st.session_state["arrived"] = st.session_state.get("page") != page.title
st.session_state["page"] = page.title
try:
    page.run()
except StoreError as error:  # any page reads the store in many places
    st.error(label(str(error)), icon=":material/error:")
