"""The form of a comparison: its lanes, its prompts, and how often they are asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from router.compare import MAX_LANES, MAX_REPEATS, MIN_LANES, expand, lane_name, variables
from router.lab import Lab
from router.store import Plan, Prompt, Settings

from components.markdown import label

ONE, SEVERAL, TEMPLATE = "One prompt", "Several", "Template"
_LANES = "compare_lanes"
_DRAFT = "compare_draft"


def draft(plan: Plan) -> None:
    """Fill the empty form with an earlier comparison's plan; to be called before it is drawn."""
    st.session_state[_DRAFT] = plan
    st.session_state[_LANES] = list(range(len(plan.lanes)))


def plan_form(lab: Lab) -> Plan:
    """The form; what it says now.

    Raises:
        InvalidRequest: a template's row leaves a variable without a value.
    """
    last: Plan | None = st.session_state.get(_DRAFT)
    lanes = _lanes(lab, last)
    template, rows = _prompt_fields(lab, last)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        repeats = st.number_input(
            "Repeats", 1, MAX_REPEATS, last.repeats if last else 1, key="compare_repeats",
            persist_state="session", width=140,
            help="How often each lane is asked each prompt; each time is a sample of its own.",
        )  # fmt: skip
        cache = st.toggle(
            "Answers from the cache",
            last.cache if last else True,
            key="compare_cache",
            persist_state="session",
            help="A hit is shown as one, and enters neither latency nor cost.",
        )
    return Plan(lanes=lanes, prompts=_prompts(template, rows), repeats=int(repeats), cache=cache)


def forget() -> None:
    """Empty the form."""
    for key in [key for key in st.session_state if str(key).startswith("compare_")]:
        del st.session_state[key]


# --- Lanes -----------------------------------------------------------------------------------------


def _lanes(lab: Lab, last: Plan | None) -> tuple[Settings, ...]:
    numbers: list[int] = st.session_state.setdefault(_LANES, list(range(MIN_LANES)))
    targets = _targets(lab)
    with st.grid(4, min_column_width=230, border=True, key="compare_lane_grid"):
        lanes = [
            _lane(place, number, targets, last.lanes[number] if last and number < len(last.lanes) else None)
            for place, number in enumerate(numbers)
        ]
    if len(numbers) < MAX_LANES:
        st.button("Add a lane", icon=":material/add:", type="tertiary", on_click=_add_lane)
    return tuple(lanes)


def _targets(lab: Lab) -> dict[str, Settings]:
    """What a lane can be, by what it is called; what can be asked now comes first."""
    config = lab.config()
    refs = list(dict.fromkeys(ref.text for chain in config.chains.values() for ref in chain.models))
    if config.offline is not None and config.offline.text not in refs:
        refs.append(config.offline.text)
    refs.sort(key=lambda text: lab.problem(config.single(text).models[0]) is not None)
    names = sorted(config.chains, key=lambda name: name != "conversation")
    found = [Settings(category=name) for name in names] + [Settings(model=text) for text in refs]
    return {lane_name(lane): lane for lane in found}


def _default_targets(targets: dict[str, Settings]) -> list[str]:
    """A chain beside single models."""
    chains = [name for name, lane in targets.items() if lane.category is not None]
    models = [name for name, lane in targets.items() if lane.model is not None]
    return [chains[0], *models, *chains[1:]]


def _lane(place: int, number: int, targets: dict[str, Settings], last: Settings | None) -> Settings:
    with st.container(gap="xsmall"):
        names = list(targets)
        chosen = lane_name(Settings(category=last.category, model=last.model)) if last else None
        if chosen is not None and chosen not in names and last is not None and last.model is not None:
            names.append(chosen)
        defaults = _default_targets(targets)
        chosen = chosen if chosen in names else defaults[place % len(defaults)]
        name = st.selectbox(
            f"Lane {place + 1}",
            names,
            index=names.index(chosen),
            key=f"compare_lane_{number}",
            persist_state="session",
            accept_new_options=True,
            help="A chain, or a single model; type another model as `provider:model`." if place == 0 else None,
        )
        with st.container(horizontal=True, gap="xsmall"):
            with st.popover("Parameters", icon=":material/tune:", type="tertiary"):
                parameters = _parameters(number, last or Settings())
            if len(st.session_state[_LANES]) > MIN_LANES:
                st.button(
                    "Remove", icon=":material/close:", type="tertiary", key=f"compare_remove_{number}",
                    help=f"Remove lane {place + 1}", on_click=_remove_lane, args=(number,),
                )  # fmt: skip
        set_ones = [f"{what} {value}" for what, value in parameters.items() if value not in ("", None)]
        if set_ones:
            st.caption(label(", ".join(set_ones)[:80]))
    target = targets.get(name or "", Settings(model=name))
    return Settings(category=target.category, model=target.model, **_settings(parameters))


def _parameters(number: int, last: Settings) -> dict[str, Any]:
    system = st.text_area(
        "System prompt",
        last.system,
        key=f"compare_system_{number}",
        persist_state="session",
        placeholder="None",
        height=120,
        width=360,
    )
    temperature = st.number_input(
        "Temperature", 0.0, 2.0, last.temperature, 0.1, key=f"compare_temperature_{number}", persist_state="session",
        placeholder="The model's own",
    )  # fmt: skip
    max_tokens = st.number_input(
        "Max tokens",
        1,
        None,
        last.max_tokens,
        1,
        key=f"compare_tokens_{number}",
        persist_state="session",
        placeholder="The model's own",
    )
    return {"system prompt": system, "temperature": temperature, "max tokens": max_tokens}


def _settings(parameters: dict[str, Any]) -> dict[str, Any]:
    names = {"system prompt": "system", "temperature": "temperature", "max tokens": "max_tokens"}
    return {names[name]: value for name, value in parameters.items()}


def _add_lane() -> None:
    numbers: list[int] = st.session_state[_LANES]
    numbers.append(max(numbers) + 1)


def _remove_lane(number: int) -> None:
    st.session_state[_LANES].remove(number)


# --- Prompts ---------------------------------------------------------------------------------------


def _prompt_fields(lab: Lab, last: Plan | None) -> tuple[str | None, list[dict[str, Any]]]:
    """The template, where there is one, and a row for each prompt."""
    many = last is not None and len(last.prompts) > 1
    mode = st.segmented_control(
        "Prompts",
        [ONE, SEVERAL, TEMPLATE],
        default=SEVERAL if many else ONE,
        required=True,
        key="compare_mode",
        persist_state="session",
    )
    if mode == ONE:
        return None, [_one_prompt(lab, last)]
    if mode == SEVERAL:
        given = [{"prompt": prompt.text, "category": prompt.category} for prompt in last.prompts] if last else []
        return None, _table(["prompt"], given, "compare_rows", "The prompts, one a row")
    template = st.text_area(
        "Template",
        key="compare_template",
        persist_state="session",
        placeholder="Translate {{word}} into {{language}}.",
        help="Each row of the table below gives one prompt, with its values in place of the {{variables}}.",
    )
    names = [name for name in variables(template) if name != "category"]
    key = "compare_values_" + "_".join(names)
    return template, _table(names, [], key, "The variables' values, one row a prompt") if names else []


def _one_prompt(lab: Lab, last: Plan | None) -> dict[str, Any]:
    first = last.prompts[0] if last else Prompt(text="")
    text = st.text_area(
        "Prompt",
        first.text,
        key="compare_prompt",
        persist_state="session",
        height=110,
        placeholder="What all lanes are asked",
    )
    categories = list(dict.fromkeys([*lab.config().chains, *([first.category] if first.category else [])]))
    category = st.selectbox(
        "Category",
        categories,
        index=categories.index(first.category) if first.category else None,
        key="compare_category",
        persist_state="session",
        placeholder="None",
        accept_new_options=True,
        width=240,
        help="Votes are counted by category.",
    )
    return {"prompt": text, "category": category}


def _table(names: Sequence[str], given: list[dict[str, Any]], key: str, alt: str) -> list[dict[str, Any]]:
    columns = [*names, "category"]
    rows = pd.DataFrame(given or [dict.fromkeys(columns, "")] * 3, columns=columns, dtype="object").fillna("")
    config = {name: st.column_config.TextColumn(name, width="large" if name == "prompt" else None) for name in columns}
    edited = st.data_editor(
        rows, num_rows="dynamic", hide_index=True, column_config=config, key=key, alt=alt, placeholder=""
    )
    return [{str(name): value for name, value in row.items()} for row in edited.to_dict("records")]


def _prompts(template: str | None, rows: Sequence[dict[str, Any]]) -> tuple[Prompt, ...]:
    return expand("{{prompt}}" if template is None else template, rows)
