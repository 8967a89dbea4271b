"""A page that draws the texts of a file, each as an answer and as a label: `streamlit run gallery.py -- FILE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import streamlit as st

sys.path.append(str(Path(__file__).parents[2] / "pages"))

from components.shared.markdown import label
from components.shared.message import draw_markdown

for number, text in enumerate(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))):
    with st.container(key=f"answer_{number}"):
        draw_markdown(text, key=str(number))
    with st.container(key=f"label_{number}"):
        st.error(f"**{label(text)}**")
st.caption("The end")
