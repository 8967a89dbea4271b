"""The form for a comparison: its lanes, what they have in common, its prompts, and repeats."""

from __future__ import annotations

import msgspec
import streamlit as st

from router.compare import MAX_LANES, MAX_REPEATS, MIN_LANES, lane_name
from router.core.comparisons import Plan
from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.core.formatting import parameters
from router.lab import Lab

from components.compare.common import draw_common, edit_before, edit_common, edit_faults, edit_files
from components.compare.draft import LANES, Draft, begun, draw_set_aside, keep, key_of
from components.compare.prompts import edit_prompts
from components.shared.markdown import label
from components.shared.sampling import edit_sampling
from components.shared.tools import WRONG


def plan_form(lab: Lab) -> Draft:
    """Draw the form and return its plan and files.

    Raises:
        InvalidRequest: a parameter cannot be read, or a row leaves a variable without a value.
    """
    last = begun()
    st.session_state[WRONG] = ""
    draw_set_aside()
    targets = _targets(lab)
    lanes = _lanes(targets, last.plan)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if len(lanes) < MAX_LANES:
            st.button("Add a lane", icon=":material/add:", on_click=_add_lane)
        common, files = edit_common(last), edit_files(last)
        faults, before = edit_faults(lab, last, lanes), edit_before(last)
    draw_common(common)
    entered = edit_prompts(lab, last)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        repeats = st.number_input(
            "Repeats", 1, MAX_REPEATS, last.plan.repeats, key=key_of("repeats"), persist_state="session", width=140,
            help="How often each lane answers each prompt. Each repeat is a separate sample.",
        )  # fmt: skip
        cache = st.toggle(
            "Use cached answers",
            last.plan.cache,
            key=key_of("cache"),
            persist_state="session",
            help="Cached answers are marked and not counted in latency and cost.",
        )
    plan = Plan(
        lanes=lanes, prompts=(), common=common, before=before, files=tuple(files), faults=faults,
        repeats=int(repeats), cache=cache,
    )  # fmt: skip
    contents = {**last.files, **{file.id: data for file, data in files.items()}}
    draft = Draft(plan, entered.mode, entered.template, entered.rows, contents)
    keep(draft, Plan(lanes=tuple(targets[_default(targets, place)] for place in range(MIN_LANES)), prompts=()))
    if wrong := st.session_state[WRONG]:
        raise InvalidRequest(f"Fix the parameters first. {wrong}")
    return draft._replace(plan=msgspec.structs.replace(plan, prompts=entered.prompts()))


# --- Lanes -----------------------------------------------------------------------------------------


def _lanes(targets: dict[str, Settings], last: Plan) -> tuple[Settings, ...]:
    numbers: list[int] = st.session_state.setdefault(LANES, list(range(MIN_LANES)))
    with st.grid(4, min_column_width=230, border=True, key="compare_lane_grid"):
        lanes = [
            _lane(place, number, targets, last.lanes[number] if number < len(last.lanes) else Settings())
            for place, number in enumerate(numbers)
        ]
    return tuple(lanes)


def _targets(lab: Lab) -> dict[str, Settings]:
    """Possible lanes by name; those that can be called now come first."""
    config = lab.config()
    refs = sorted(config.known_models, key=lambda ref: lab.problem(ref.provider) is not None)
    names = sorted(config.chains, key=lambda name: name != config.default_category)
    found = [Settings(category=name) for name in names] + [Settings(model=ref.text) for ref in refs]
    return {lane_name(lane): lane for lane in found}


def _default(targets: dict[str, Settings], place: int) -> str:
    """What a lane is at first: a chain, then single models."""
    chains = [name for name, lane in targets.items() if lane.category is not None]
    models = [name for name, lane in targets.items() if lane.model is not None]
    defaults = [chains[0], *models, *chains[1:]]
    return defaults[place % len(defaults)]


def _lane(place: int, number: int, targets: dict[str, Settings], last: Settings) -> Settings:
    with st.container(gap="xsmall"):
        names = list(targets)
        chosen = lane_name(Settings(category=last.category, model=last.model))
        if chosen not in names and last.model is not None:
            names.append(chosen)
        chosen = chosen if chosen in names else _default(targets, place)
        name = st.selectbox(
            f"Lane {place + 1}",
            names,
            index=names.index(chosen),
            key=key_of(f"lane_{number}"),
            persist_state="session",
            accept_new_options=True,
            help="A chain or a single model. Type another model as `provider:model`." if place == 0 else None,
        )
        with st.container(horizontal=True, gap="xsmall"):
            with st.popover("Parameters", icon=":material/tune:", type="tertiary"):
                settings = edit_sampling(
                    last, lambda name: key_of(f"{name}_{number}"), no_system="As for all lanes", keep="session"
                )
            if len(st.session_state[LANES]) > MIN_LANES:
                st.button(
                    "Remove", icon=":material/close:", type="tertiary", key=f"compare_remove_{number}",
                    help=f"Remove lane {place + 1}", on_click=_remove_lane, args=(number,),
                )  # fmt: skip
        if words := parameters(settings):
            st.caption(label(", ".join(words.values())))
    target = targets.get(name or "", Settings(model=name))
    return msgspec.structs.replace(settings, category=target.category, model=target.model)


def _add_lane() -> None:
    numbers: list[int] = st.session_state[LANES]
    numbers.append(max(numbers) + 1)


def _remove_lane(number: int) -> None:
    st.session_state[LANES].remove(number)
