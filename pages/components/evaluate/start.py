"""A run before it begins: its suites, its lanes, its limits, and what it is likely to cost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence

import msgspec
import streamlit as st

from router.config.chains import ModelRef
from router.config.schema import Config
from router.core.conversations import Settings
from router.core.errors import FallbackLabError, InvalidRequest
from router.core.formatting import counted, parameters
from router.core.runs import LEAST_SCREENED, Planned
from router.core.suites import Suite
from router.evaluate.evaluations import MAX_LANES, MAX_REPEATS
from router.evaluate.library import JOINED_BY, Library, joined
from router.evaluate.statistics import separates_sentence
from router.evaluate.summary import categories
from router.lab import Lab

from components.shared.markdown import label
from components.shared.sampling import edit_sampling
from components.shared.tools import WRONG
from components.shared.unreachable import draw_unreachable

SUITES, LANES = "evaluate_suites", "evaluate_lanes"

_VARIANTS = "evaluate_variants"
_MODEL = " (model)"
"""After the name of a model where a chain has its whole reference for a name."""

_FIRST = "reasoning"
"""The bundled suite that is chosen at first."""

_ABOUT = (
    "Every case of the suites goes through every lane. Graders check the answers, and a verdict says which differences"
    " are real."
)


@st.cache_resource(max_entries=50, show_spinner=False)
def _read(_library: Library, name: str, path: str, changed_at: int) -> Suite:  # noqa: ARG001  # a changed file is another one
    return _library.named(name).suite


def suite_of(library: Library, name: str) -> Suite:
    """A suite by its name, read again when its file changes.

    Raises:
        ConfigError: there is none, or it cannot be read; one sentence.
    """
    path = library.names().get(name)
    return library.named(name).suite if path is None else _read(library, name, str(path), path.stat().st_mtime_ns)


def suite_now(library: Library, name: str) -> Suite | None:
    """A run's suite by its own name, or several that were joined, as they are now; None where one is gone."""
    found = [_of_that_name(library, each) for each in name.split(JOINED_BY)]
    suites = [suite for suite in found if suite is not None]
    return joined(suites) if len(suites) == len(found) else None


def _of_that_name(library: Library, name: str) -> Suite | None:
    # A suite's file has its name, unless it says another one.
    for each in dict.fromkeys([name, *library.names()]):
        with contextlib.suppress(FallbackLabError):
            if (suite := suite_of(library, each)).name == name:
                return suite
    return None


def draw_new(lab: Lab, library: Library, *, shown: bool) -> None:
    """The form; what it holds is kept also where another tab is shown, the run bar is not."""
    plan, problem = None, ""
    try:
        plan = _form(lab, library)
    except FallbackLabError as error:
        problem = str(error)
    if not shown:
        return
    with st.bottom:
        if plan is not None:
            draw_unreachable(lab, plan.lanes)
            problem = _draw_estimate(lab, plan)
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                "Run", type="primary", icon=":material/play_arrow:", key="evaluate_start", disabled=bool(problem)
            ):
                _begin(lab, plan)
            if problem:
                st.markdown(f":orange[:material/info: {label(problem)}]")


def _draw_estimate(lab: Lab, plan: Planned) -> str:
    """The likely cost and duration; returns why the plan cannot be run."""
    try:
        likely = lab.evaluations.estimate(plan)
    except FallbackLabError as error:
        return str(error)
    st.caption(label(likely.sentence()))
    return ""


def _begin(lab: Lab, plan: Planned | None) -> None:
    if plan is None:
        return
    try:
        st.query_params["run"] = lab.evaluations.begin(msgspec.structs.replace(plan, at=time.time()))
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
    else:
        st.rerun()


# --- The form --------------------------------------------------------------------------------------


def _form(lab: Lab, library: Library) -> Planned:
    st.session_state[WRONG] = ""
    st.caption(_ABOUT)
    suite = _suite(library)
    config = lab.config()
    chain = next((name for name in categories(suite) if name in config.chains), config.default_category)
    primary = model_name(config, config.chains[chain].models[0])
    lanes = pick_lanes(lab, LANES, "Lanes", [chain, primary])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        repeats = st.number_input(
            "Repeats", 1, MAX_REPEATS, 1, key="evaluate_repeats", persist_state="session", width=140,
            help="How often each lane answers each case. With repeats, unreliable answers become visible.",
        )  # fmt: skip
        limit = st.number_input(
            "Spending limit, $", 0.0, None, None, 1.0, key="evaluate_limit", persist_state="session", width=180,
            placeholder="None", help="Nothing more is asked when the run has cost this much, judges included.",
        )  # fmt: skip
        with st.popover("More", icon=":material/tune:"):
            rest = _more(lab, len(suite.cases))
    if wrong := st.session_state[WRONG]:
        raise InvalidRequest(f"Fix the parameters first. {wrong}")
    if not lanes:
        raise InvalidRequest("Choose at least one lane.")
    plan = Planned(
        at=0.0,
        suite=suite,
        lanes=tuple(lab.evaluations.lane(lane, name) for name, lane in lanes.items()),
        repeats=int(repeats),
        max_cost=limit or None,
    )
    return msgspec.structs.replace(plan, **rest)


def _suite(library: Library) -> Suite:
    names = list(library.names())
    st.session_state.setdefault(SUITES, [_FIRST])
    chosen = st.multiselect(
        "Suites", names, key=SUITES, persist_state="session",
        placeholder="Choose one or more", help="The tab “Suites” shows, edits and imports them.",
    )  # fmt: skip
    if not chosen:
        raise InvalidRequest("Choose at least one suite.")
    suite = joined([suite_of(library, name) for name in chosen])
    st.caption(f"{counted(len(suite.cases), 'case')}. {separates_sentence(len(suite.cases))}.")
    return suite


def pick_lanes(lab: Lab, key: str, title: str, default: Sequence[str] = ()) -> dict[str, Settings]:
    """The control with which lanes are chosen; returns them by their names, in the order in which they were chosen.

    Args:
        key: of the control.
        default: what is chosen at first.
    """
    targets = {**_targets(lab), **_variants()}
    st.session_state.setdefault(key, list(default))
    with st.container(gap="xsmall"):
        names = st.multiselect(
            title, list(targets), key=key, persist_state="session", accept_new_options=True,
            max_selections=MAX_LANES, placeholder="Choose chains and models",
            help="Chains and models. The first is what the others are compared with. Type another model as"
            " `provider:model`.",
        )  # fmt: skip
        with st.container(horizontal=True, gap="small"):
            st.button("All chains and their models", icon=":material/done_all:", type="tertiary", key=f"{key}_all",
                      on_click=_choose, args=(key, list(_targets(lab))[:MAX_LANES]))  # fmt: skip
            with st.popover("Lane with parameters", icon=":material/tune:", type="tertiary"):
                _add_variant(list(_targets(lab).items()), key)
    return {name: targets.get(name, Settings(model=name)) for name in names}


def _targets(lab: Lab) -> dict[str, Settings]:
    """Chains by their categories, then the models that models.yaml names."""
    config = lab.config()
    return {
        **{name: Settings(category=name) for name in config.chains},
        **{model_name(config, ref): Settings(model=ref.text) for ref in config.known_models},
    }


def model_name(config: Config, ref: ModelRef) -> str:
    """What a model is called beside the chains, which keep their names: `provider:model` where one has its name."""
    full = f"{ref.provider}:{ref.model}"
    return next(name for name in (ref.text, full, f"{full}{_MODEL}") if name not in config.chains)


def _variants() -> dict[str, Settings]:
    found: dict[str, Settings] = st.session_state.setdefault(_VARIANTS, {})
    return found


def _choose(key: str, names: list[str]) -> None:
    st.session_state[key] = names


def _add_variant(targets: list[tuple[str, Settings]], key: str) -> None:
    name, target = st.selectbox(
        "Chain or model", targets, format_func=lambda each: each[0], key=f"{key}_variant_of", width=360
    )
    settings = edit_sampling(Settings(), lambda part: f"{key}_variant_{part}", no_system="The case's own")
    own = msgspec.structs.replace(settings, category=target.category, model=target.model)
    words = ", ".join(parameters(settings).values())
    st.button("Add lane", icon=":material/add:", key=f"{key}_variant_add", disabled=not words,
              on_click=_keep_variant, args=(key, f"{name}, {words}", own))  # fmt: skip


def _keep_variant(key: str, name: str, settings: Settings) -> None:
    _variants()[name] = settings
    chosen: list[str] = st.session_state.get(key) or []
    st.session_state[key] = list(dict.fromkeys([*chosen, name]))


def _more(lab: Lab, cases: int) -> Mapping[str, object]:
    """The settings that most runs leave alone."""
    margin = st.number_input(
        "Margin, points", 0.0, 99.0, None, 1.0, key="evaluate_margin", persist_state="session", placeholder="None",
        width=280, help="The loss up to which a lane counts as no worse than the first one.",
    )  # fmt: skip
    # A run names its judge by one text, which means the chain where there is one.
    judges = [name for name in _targets(lab) if not name.endswith(_MODEL)]
    judge = st.selectbox(
        "Judge", judges, None, key="evaluate_judge", persist_state="session", placeholder="None",
        accept_new_options=True, width=280, help="The chain or model that judges where a check names none.",
    )  # fmt: skip
    screen = st.number_input(
        "Cases for the other lanes", LEAST_SCREENED, max(cases, LEAST_SCREENED), None, 10, key="evaluate_screen",
        persist_state="session", placeholder="All", width=280,
        help="Ask only so many cases of every lane but the first, and estimate their scores on the whole suite.",
    )  # fmt: skip
    cache = st.toggle("Use cached answers", True, key="evaluate_cache", persist_state="session")
    return {"margin": margin / 100 if margin else None, "judge": judge, "screen": screen, "cache": cache}
