"""A chain's figures: one header for all its models, and one line for each."""

from __future__ import annotations

import html

import streamlit as st

from router.metrics.chains import DAYS, UNSEEN, Cell, ModelLine

# On a narrow window, and for screen readers, each figure has its own name; the header is for eyes alone.
_STYLE = """<style>
.figures { display: grid; gap: 0 .75rem; contain: inline-size; min-width: 16rem; font-size: .8rem; line-height: 1.35;
  grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); font-variant-numeric: tabular-nums; }
.figures div { display: grid; grid-template-columns: 7rem 4.5rem 1fr; align-items: baseline; }
.figures b { font-size: .9rem; font-weight: 600; }
.figures span { opacity: .75; }
.stElementContainer:has(.figures.names) { display: none; }
@media (min-width: 1200px) {
  .figures { grid-template-columns: repeat(8, minmax(0, 1fr)); min-width: 40rem; }
  .figures div { display: block; }
  .figures b, .figures span { display: block; }
  .figures div span:first-child { position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); }
  .stElementContainer:has(.figures.names) { display: block; }
}
</style>"""


def style_figures() -> None:
    """How the page's figures are laid out."""
    st.html(_STYLE)


def draw_names() -> None:
    """The names above the figures, where the window is wide enough."""
    names = "".join(f"<span>{html.escape(cell.name)}</span>" for cell in UNSEEN.cells())
    st.html(f'<div class="figures names" aria-hidden="true">{names}</div>')


def draw_figures(line: ModelLine | None) -> None:
    """A model's figures, each with its interval and sample size."""
    if line is None:
        st.caption(f"No requests in the last {DAYS} days.")
    else:
        st.html(f'<div class="figures">{"".join(map(_drawn, line.cells()))}</div>')


def _drawn(cell: Cell) -> str:
    details = " ".join(filter(None, (cell.between, cell.of, cell.at)))
    name, value, details = map(html.escape, (cell.name, cell.value, details))
    return f"<div><span>{name}</span><b>{value}</b><span>{details}</span></div>"
