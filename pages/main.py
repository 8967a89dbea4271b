"""The frame of every page: title, navigation, and what all people should know now."""

import streamlit as st

from components.lab import lab_or_stop

chat = st.Page("chat.py", title="Chat", icon="💬", default=True)
compare = st.Page("compare.py", title="Compare", icon="⚖️")
dashboard = st.Page("dashboard.py", title="Dashboard", icon="📈")
chains = st.Page("chains.py", title="Chains", icon="🔗")
page = st.navigation([chat, compare, dashboard, chains], position="top")
# Lines of text that can be read, and room for lanes and tables.
st.set_page_config(page_title="Fallback Lab", page_icon="🔀", layout="centered" if page == chat else "wide")
st.markdown("### :material/alt_route: Fallback Lab", anchors=False)
for notice in lab_or_stop().notices():
    st.warning(notice, icon=":material/warning:")
# A page's link says what it shows; who comes back by the navigation has none.
st.session_state["arrived"] = st.session_state.get("page") != page.title
st.session_state["page"] = page.title
page.run()
