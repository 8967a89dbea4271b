"""The matrix as a table whose first two columns stay in view, which Streamlit's own tables cannot draw."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from router.compare.matrix import Figure, Row, Short

_CSS = """
.frame { position: relative; overflow: auto; max-height: 40rem;
  border: 1px solid var(--st-border-color); border-radius: 0.5rem; }
table { table-layout: fixed; width: 100%; border-collapse: separate; border-spacing: 0;
  font: 0.875rem/1.4 var(--st-font); color: var(--st-text-color); }
th, td { border: 0 solid var(--st-border-color); border-width: 0 1px 1px 0; padding: 0; text-align: left;
  box-sizing: border-box; vertical-align: top; background: var(--st-background-color); font-weight: 400; }
thead th { position: sticky; top: 0; z-index: 2; padding: 0.5rem 0.75rem; font-weight: 600; overflow-wrap: anywhere;
  background: var(--st-secondary-background-color); }
tr > :nth-child(1), tr > :nth-child(2) { position: sticky; z-index: 1; padding: 0.5rem 0.6rem; }
tr > :nth-child(1) { left: 0; width: 5.5rem; overflow-wrap: anywhere; hyphens: auto; }
tr > :nth-child(2) { left: 5.5rem; width: 14rem; overflow-wrap: anywhere; border-right-width: 2px; }
thead tr > :nth-child(1), thead tr > :nth-child(2) { z-index: 3; }
@media (max-width: 767px) {
  tr > :nth-child(1) { width: 3.25rem; padding: 0.5rem 0.3rem; }
  tr > :nth-child(2) { left: 3.25rem; width: 6.75rem; padding: 0.5rem 0.4rem; }
}
button { display: block; width: 100%; height: 100%; box-sizing: border-box; padding: 0.5rem 0.75rem;
  border: 0; background: none; color: inherit; font: inherit; text-align: left; cursor: pointer; }
button:hover { background: var(--st-secondary-background-color); }
button:focus-visible, button[aria-pressed="true"] { outline: 2px solid var(--st-primary-color); outline-offset: -2px; }
.model { font-weight: 600; overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: 0.25rem; margin: 0.25rem 0; }
.figure { position: relative; padding: 0 0.35rem; border-radius: 0.25rem; font-size: 0.75rem;
  font-variant-numeric: tabular-nums;
  background: color-mix(in srgb, #d55e00 var(--share), var(--st-secondary-background-color)); }
.text { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden;
  overflow-wrap: anywhere; }
.small { font-size: 0.75rem; }
.said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
"""
# All texts are set as texts: none is read as HTML.
_JS = """
function make(kind, name, text) {
  const element = document.createElement(kind);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

function figure({ text, level, said }) {
  const element = make("span", "figure", text);
  element.style.setProperty("--share", `${Math.round(35 * (level ?? 0))}%`);
  if (said) {
    element.title = said;
    element.append(level ? " ▲" : " ▼", make("span", "said", ` ${said}`));
  }
  return element;
}

function cell(short) {
  const button = make("button");
  button.type = "button";
  button.title = short.way;
  if (short.model) {
    const model = make("div", "model", `${short.model} ${short.mark}`);
    if (short.place) model.append(make("span", "small", ` ${short.place}`));
    button.append(model);
  }
  const figures = make("div", "figures");
  figures.append(...short.figures.map(figure));
  button.append(figures, make("div", "text", short.text));
  return button;
}

export default function ({ parentElement, data, setStateValue }) {
  const frame = make("div", "frame"), table = make("table"), head = make("thead"), body = make("tbody");
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", data.name);
  table.style.minWidth = `${20 + 14 * data.lanes.length}rem`;
  const top = make("tr");
  for (const name of ["#", "Prompt", ...data.lanes]) {
    const heading = make("th", "", name);
    heading.scope = "col";
    top.append(heading);
  }
  head.append(top);
  for (const row of data.rows) {
    const line = make("tr"), number = make("td", "", String(row.prompt + 1)), prompt = make("th", "", row.text);
    number.append(...row.labels.map((label) => make("div", "small", label)));
    prompt.scope = "row";
    line.append(number, prompt);
    row.cells.forEach((short, lane) => {
      const place = make("td"), button = cell(short);
      button.setAttribute("aria-pressed", String(data.opened?.[0] === row.prompt && data.opened?.[1] === lane));
      button.onclick = () => setStateValue("opened", [row.prompt, lane]);
      place.append(button);
      line.append(place);
    });
    body.append(line);
  }
  table.append(head, body);
  frame.append(table);
  const old = parentElement.querySelector(".frame");
  const [left, down] = old ? [old.scrollLeft, old.scrollTop] : [0, 0];
  const focused = old ? [...old.querySelectorAll("button")].indexOf(parentElement.activeElement) : -1;
  old?.remove();
  parentElement.append(frame);
  frame.scrollTo(left, down);
  if (focused >= 0) frame.querySelectorAll("button")[focused]?.focus();
}
"""
_grid = st.components.v2.component("matrix", css=_CSS, js=_JS)


def draw_grid(name: str, lanes: Sequence[str], rows: Sequence[Row], *, key: str) -> tuple[int, int] | None:
    """The table.

    Args:
        name: what it is, for those who do not see it.

    Returns:
        The prompt and the lane of the opened cell, counted from 0.
    """
    opened = st.session_state.get(key, {}).get("opened")
    found = _grid(
        data={"name": name, "lanes": list(lanes), "rows": [_plain(row) for row in rows], "opened": opened},
        key=key,
        default={"opened": None},
        on_opened_change=_nothing,
    )
    return (found.opened[0], found.opened[1]) if found.opened else None


def _plain(row: Row | Short | Figure) -> dict[str, object]:
    """A row as the browser gets it."""
    return {
        name: [_plain(each) if isinstance(each, Short | Figure) else each for each in value]
        if isinstance(value, tuple)
        else value
        for name, value in row._asdict().items()
    }


def _nothing() -> None:
    """The page runs again by itself."""
