"""How all pages look where the theme in .streamlit/config.toml has no say."""

from __future__ import annotations

import streamlit as st

TOOLBAR = "toolbar"
"""The key of a row of controls that stays one row: its first gives way, the others show icons alone on a phone."""

TALL = "tall"
"""The key of a popover's content that grows: a popover chooses its side when it is opened, and needs the room then."""

PAGES = "page_links"
"""The key of the row of pages' links, for where Streamlit hides its navigation in the sidebar."""

POPOVERS = "popovers"
"""The key of what leads the focus into popovers; it draws nothing."""

UNSAVED = "unsaved"
"""The key's beginning of what keeps unsaved words; it draws nothing."""

LIVE = "dashboard_live"
"""The key of the dashboard's live panel."""

CHARTS = "dashboard_charts"
"""Key of the dashboard's charts, which are as high as the window before they are drawn: who scrolled stays there."""

WIDE = "wide_only"
"""The key of what is left out on a phone."""

NARROW = "phone_only"
"""The key of what is shown on a phone alone."""

PHONE = "(max-width: 767px)"
"""Where Streamlit hides its navigation."""

_STYLE = f"""
[data-testid="stMarkdownContainer"] table {{ display: block; max-width: 100%; overflow-x: auto; }}
.st-key-{TOOLBAR} > :first-child {{ flex: 0 1 auto; max-width: 20rem; }}
[data-testid="stBottomBlockContainer"] {{ padding-bottom: 1.5rem; }}
.st-key-{TALL} {{ min-height: 15rem; }}
.st-key-{CHARTS} {{ min-height: 100vh; }}
.st-key-{PAGES}, .st-key-{NARROW} {{ display: none; }}
.stMainBlockContainer {{ padding-top: 4.5rem; }}
/* What is drawn elsewhere, or nowhere, takes no gap between what is drawn. */
[data-testid="stLayoutWrapper"]:has(> .st-key-{PAGES}), .st-key-{POPOVERS}, [class*="st-key-{UNSAVED}"] {{
  position: absolute; width: 0;
}}
@media {PHONE} {{
  .st-key-{PAGES} {{
    display: flex; position: fixed; top: 1.2rem; left: 3.25rem; max-width: calc(100% - 3.5rem); z-index: 999990;
    gap: 0 !important; overflow-y: hidden;
  }}
  .st-key-{PAGES} a {{ padding-inline: .3rem; }}
  .st-key-{PAGES} a p {{ font-size: .8rem; }}
  .stMainBlockContainer {{ padding-top: 4.25rem; }}
  .st-key-{NARROW} {{ display: block; }}
  .st-key-{LIVE}, :has(> .st-key-{LIVE}) {{ height: auto !important; overflow: visible; }}
  .st-key-{WIDE} {{ display: none; }}
  .st-key-title, .st-key-{TOOLBAR} > :not(:first-child) button [data-testid="stMarkdownContainer"] {{
    position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
  }}
}}
"""

# In `color`, currentcolor is the text around the element: dark in the light theme and light in the dark one. So these
# rules hold in both, and in popovers, which lie outside the app's own element.
_CONTRAST = """
/* Streamlit writes white on the primary color, which is bright in the dark theme. */
[data-testid^="stBaseButton-primary"], [data-tag], [role="spinbutton"]:focus, [role="button"][data-selected="true"] {
  color: oklch(from currentcolor calc((.6 - l) * 1000) 0 0);
}
.stCode[data-testid="stCode"] code .token {
  color: inherit;
  &:is(.comment, .punctuation, .doctype, .unchanged) { color: color-mix(in srgb, currentcolor 72%, transparent); }
  &:is(.string, .number, .boolean, .regex, .attr-value, .inserted) {
    color: color-mix(in srgb, #16a34a 60%, currentcolor);
  }
  &:is(.keyword, .function, .class-name, .selector, .attr-name, .property, .variable) {
    color: color-mix(in srgb, #3b82f6 60%, currentcolor);
  }
  &:is(.important, .deleted) { color: color-mix(in srgb, #ef4444 62%, currentcolor); }
  &:is(.comment, .doctype, .string, .regex, .attr-value, .selector, .variable, .important) .token { color: inherit; }
}
"""

# As high as smaller headings, so that they line up with what stands beside them.
_HEADINGS = """
.stApp .stMarkdown h1 { padding: .5rem 0 1rem; }
.stApp .stMarkdown h2 { padding: 0 0 1rem; }
"""

# In a low or zoomed window, what stays at the bottom leaves room for the page.
_LOW = f"""
@media (max-height: 600px) {{
  .stApp header[data-testid="stHeader"] {{ height: 2.5rem; min-height: 2.5rem; }}
  .st-key-{PAGES} {{ top: .6rem; }}
  [data-testid="stBottomBlockContainer"] {{ padding-block: .25rem; }}
  [data-testid="stBottomBlockContainer"] [data-testid="stVerticalBlock"] {{ gap: .25rem; }}
  .st-key-{WIDE} {{ display: none; }}
}}
"""


def draw_style() -> None:
    """Put the style on the page."""
    st.html(f"<style>{_STYLE}{_CONTRAST}{_HEADINGS}{_LOW}</style>")
