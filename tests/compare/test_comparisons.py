"""Comparisons: what can be asked, how lanes go on, what is kept, and who ends them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from router.chat.attachments import read_attachment
from router.compare import Comparisons, expand, lane_name, prompts_of
from router.compare.comparisons import MAX_COMPARISONS
from router.compare.run import IN_FLIGHT
from router.compare.votes import ballots
from router.core.attempts import Attempt
from router.core.comparisons import (
    Cell,
    Comparison,
    Key,
    Plan,
    Prompt,
)
from router.core.conversations import Settings, Turn
from router.core.errors import AllModelsFailed, ConfigError, InvalidRequest
from router.core.events import Began
from router.core.faults import Fault
from router.core.messages import Answer
from router.core.requests import Request
from router.core.snapshots import Snapshot
from router.core.tools import Tool
from router.engine.faults import Faults
from router.engine.options import Options
from router.engine.viewers import LOST_AFTER
from router.lab import Lab
from router.runs.estimate import AskedFirst
from router.store import Store
from router.store.tables import cells
from tests.conftest import MakeLab
from tests.fakes import FakeTimers
from tests.upstream import PIXEL, Upstream, answer, chain_yaml, stall_after

A = Settings(model="a")
B = Settings(model="b")
ATTEMPT = Attempt(model="a", provider="p", place=0, number=1, outcome="answered", started=0, offset=0)


DOT = base64.b64decode(PIXEL.partition(",")[2])
TOOL = Tool(name="weather")
TEXT, PICTURE = read_attachment("a.txt", b"abc"), read_attachment("a.png", DOT)
FILES = {TEXT.id: b"abc", PICTURE.id: DOT}
EARLIER = Turn(
    id="1", conversation="c", parent=None, created=0, prompt="Look.", settings=A, attachments=(PICTURE,),
    state="answered", answer=Answer(text="A dot."),
)  # fmt: skip


def plan(*prompts: str, lanes: tuple[Settings, ...] = (A, B), **rest: Any) -> Plan:
    return Plan(lanes=lanes, prompts=tuple(Prompt(text=text) for text in prompts or ("Hello?",)), **rest)


# --- Templates -------------------------------------------------------------------------------------


def test_a_template_gives_one_prompt_a_row() -> None:
    rows: list[dict[str, str | None]] = [{"word": "cat", "category": "code"}, {"word": "dog", "category": None}]
    assert expand("Spell {{word}}.", rows) == (
        Prompt(text="Spell cat.", category="code", variables={"word": "cat"}),
        Prompt(text="Spell dog.", variables={"word": "dog"}),
    )


def test_a_value_is_not_read_as_a_template() -> None:
    assert expand("{{x}}", [{"x": "{{y}}"}])[0].text == "{{y}}"


def test_a_row_without_values_is_skipped() -> None:
    assert len(expand("{{x}}", [{"x": "1"}, {"x": " ", "category": "code"}, {"x": None}])) == 1


def test_a_missing_value_names_its_row_and_variable() -> None:
    with pytest.raises(InvalidRequest, match=r"^Row 2 of the table needs a value for \{\{y\}\}\. Fill it in"):
        expand("{{x}} {{y}}", [{"x": "1", "y": "2"}, {"x": "1", "y": ""}])


def test_the_other_columns_are_variables_of_a_row_s_prompt() -> None:
    (prompt,) = prompts_of([{"prompt": "Spell {{word}} as {{json}}.", "word": "{{x}}", "category": "code"}])
    assert prompt == Prompt(text="Spell {{x}} as {{json}}.", category="code", variables={"word": "{{x}}"})


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"prompt": "", "word": "cat"}, "Row 2 of the table has no prompt."),
        ({"prompt": "Spell {{word}}.", "word": " "}, "Row 2 of the table needs a value for {{word}}."),
    ],
)
def test_a_row_that_gives_no_prompt_is_one_sentence(row: dict[str, str | None], sentence: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        prompts_of([{"prompt": "1"}, row])
    assert str(error.value).startswith(sentence)


def test_a_template_without_variables_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="has no variable"):
        expand("Hello {x}", [{"x": "1"}])


# --- Names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lane", "name"),
    [
        (Settings(category="code"), "code chain"),
        (Settings(model="p:m"), "p:m"),
        (Settings(model="m", temperature=0.5, max_tokens=9), "m, temperature 0.5, at most 9 tokens"),
        (Settings(model="m", system="Be brief."), "m, system prompt 171b"),
        (Settings(model="m", params={"top_p": 0.5, "reasoning_effort": "low"}), "m, top_p 0.5, reasoning_effort low"),
        (Settings(model="m", params={"stop": ["x" * 99]}), f'm, stop ["{"x" * 38}… 0283'),
    ],
)
def test_a_lane_is_named_by_all_that_it_sets(lane: Settings, name: str) -> None:
    assert lane_name(lane) == name


# --- An engine without models ----------------------------------------------------------------------


class FakeHandle:
    """A request in progress that a test brings on by hand."""

    def __init__(self) -> None:
        self.cancelled = False

    def watch(self, callback: Callable[[Snapshot], None], *, every: float) -> None:
        self._callback = callback

    def cancel(self) -> None:
        self.cancelled = True

    def tell(self, state: Any, text: str = "", error: Any = None) -> None:
        attempts = () if state == "running" else (ATTEMPT,)
        self._callback(Snapshot(state, Answer(text=text), attempts, Began("a", 1), 1.0, error))


class FakeLab:
    """Starts requests that a test brings on by hand, and timers that it fires."""

    def __init__(self) -> None:
        self.handles: list[FakeHandle] = []
        self.requests: list[Request] = []
        self.options: list[Options] = []
        self.targets: list[tuple[str | None, str | None]] = []
        self.faults: list[Faults] = []
        self.timers = FakeTimers()

    def start(
        self, request: Request, *, category: str | None, model: str | None, options: Options, faults: Faults
    ) -> Any:
        if category == "nowhere":
            raise ConfigError("models.yaml has no chain `nowhere`.")
        self.requests.append(request)
        self.options.append(options)
        self.targets.append((category, model))
        self.faults.append(faults)
        self.handles.append(FakeHandle())
        return self.handles[-1]

    def asked_first(self, lane: Settings) -> AskedFirst:
        return AskedFirst("p", lane.model or "", None, lambda request: request)

    def prompts(self) -> list[str]:
        return [str(request.messages[-1]["content"]) for request in self.requests]

    def finish(self) -> None:
        """Answer everything, also what is only asked then."""
        for number, handle in enumerate(self.handles):
            handle.tell("answered", f"Yes, {number}.")


@pytest.fixture
def lab() -> FakeLab:
    return FakeLab()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("router.store.writer.LINGER", 0.0)
    store = Store(tmp_path / "lab.sqlite")
    yield store
    store.close()


@pytest.fixture
def comparisons(lab: FakeLab, store: Store) -> Comparisons:
    return Comparisons(lab.start, lab.asked_first, store.comparisons, lab.timers.later)


def get(comparisons: Comparisons, comparison_id: str) -> Comparison:
    found = comparisons.get(comparison_id)
    assert found is not None
    return found


def states(comparisons: Comparisons, comparison_id: str) -> list[str]:
    return [cell.state for cell in get(comparisons, comparison_id).cells.values()]


# --- What cannot be asked --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (plan(" ", before=(EARLIER,), files=(TEXT,)), "Prompt 1: The prompt is empty."),
        (plan(lanes=(A,)), "A comparison has 2 to 8 lanes, not 1."),
        (plan(lanes=tuple(Settings(model=str(n)) for n in range(9))), "A comparison has 2 to 8 lanes, not 9."),
        (plan(lanes=(A, B, A)), "Lanes 1 and 3 are the same: a."),
        (Plan(lanes=(A, B), prompts=()), "There is no prompt."),
        (plan("Hello?", " "), "Prompt 2: The prompt is empty."),
        (plan("a\0b"), "Prompt 1: The prompt contains NUL characters"),
        (plan("x" * 5_000_000), "Prompt 1: The request is 5.0 MB; the limit is 4 MB."),
        (plan(repeats=21), "Repeats must be 1 to 20, not 21."),
        (plan(*map(str, range(600)), repeats=2), "This comparison needs 2,400 calls; the limit is 2,000."),
    ],
    ids=[
        "no new prompt",
        "too few lanes",
        "too many",
        "twins",
        "no prompt",
        "an empty one",
        "NUL",
        "too long",
        "too many repeats",
        "too many calls",
    ],
)
def test_a_plan_that_cannot_be_asked_is_refused_in_a_sentence(
    comparisons: Comparisons, lab: FakeLab, bad: Plan, sentence: str
) -> None:
    with pytest.raises(InvalidRequest) as error:
        comparisons.start(bad)
    assert str(error.value).startswith(sentence)
    assert lab.requests == []


# --- What is asked ---------------------------------------------------------------------------------


def test_every_lane_asks_with_its_own_parameters(comparisons: Comparisons, lab: FakeLab) -> None:
    chain = Settings(category="code", system="Be brief.", temperature=0.5, max_tokens=9)
    comparisons.start(plan("Hello?", lanes=(chain, B)))
    messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"})
    assert lab.requests[0] == Request(messages=messages, temperature=0.5, max_tokens=9)
    assert lab.requests[1] == Request(messages=messages[1:])
    assert lab.targets == [("code", None), (None, "b")]


def test_each_repeat_of_each_lane_is_a_sample_of_its_own(comparisons: Comparisons, lab: FakeLab) -> None:
    comparisons.start(plan(repeats=3))
    assert [options.sample for options in lab.options] == [0, 1, 2, 20, 21, 22]


def test_what_is_common_goes_to_every_lane(comparisons: Comparisons, lab: FakeLab) -> None:
    common = Settings(system="Be brief.", tools=(TOOL,), schema={"type": "object"})
    comparisons.start(plan(common=common))
    for request in lab.requests:
        assert request.messages[0] == {"role": "system", "content": "Be brief."}
        assert [tool["function"]["name"] for tool in request.tools] == ["weather"]
        assert (request.response_format or {})["json_schema"]["schema"] == {"type": "object"}


def test_a_lane_s_own_system_prompt_is_used_in_place_of_the_common_one(comparisons: Comparisons, lab: FakeLab) -> None:
    own = msgspec.structs.replace(B, system="Be long.")
    comparisons.start(plan(lanes=(A, own), common=Settings(system="Be brief.")))
    assert [request.messages[0]["content"] for request in lab.requests] == ["Be brief.", "Be long."]


def test_a_prompt_continues_the_conversation_before_it(comparisons: Comparisons, lab: FakeLab) -> None:
    comparisons.start(plan("And this?", before=(EARLIER,), files=(TEXT,)), FILES)
    picture, answer, asked = lab.requests[0].messages
    assert [part["type"] for part in picture["content"]] == ["image_url", "text"]
    assert answer == {"role": "assistant", "content": "A dot."}
    assert [part["text"] for part in asked["content"]] == ["a.txt:\n\nabc", "And this?"]


def test_every_lane_has_faults_of_its_own(comparisons: Comparisons, lab: FakeLab) -> None:
    comparisons.start(plan("1", "2", faults={"a": Fault(kind="server error")}))
    taken = [lab.faults[index].take("a") for index in (0, 1, 2)]
    assert [fault is not None for fault in taken] == [True, False, True]
    assert lab.faults[0] is lab.faults[1]


@pytest.mark.parametrize(("cache", "mode"), [(True, "use"), (False, "off")])
def test_the_cache_is_used_as_the_plan_says(comparisons: Comparisons, lab: FakeLab, cache: bool, mode: str) -> None:
    comparisons.start(plan(cache=cache))
    assert {(options.source, options.cache) for options in lab.options} == {("compare", mode)}


def test_all_lanes_ask_at_once_and_share_the_places_equally(comparisons: Comparisons, lab: FakeLab) -> None:
    comparisons.start(plan(*map(str, range(50))))
    assert lab.prompts() == ["0", "1", "2", "3"] * 2
    assert len(lab.requests) == IN_FLIGHT


def test_an_answer_makes_room_for_its_lane_s_next_prompt(comparisons: Comparisons, lab: FakeLab) -> None:
    comparisons.start(plan(*map(str, range(50))))
    lab.handles[-1].tell("answered", "Yes.")
    assert (lab.prompts()[-1], lab.targets[-1]) == ("4", (None, "b"))


def test_a_comparison_asks_every_prompt_of_every_lane_and_ends(comparisons: Comparisons, lab: FakeLab) -> None:
    started = comparisons.start(plan(*map(str, range(20)), repeats=2))
    lab.finish()
    assert set(get(comparisons, started).cells) == {
        Key(lane, prompt, repeat) for lane in range(2) for prompt in range(20) for repeat in range(2)
    }
    assert comparisons.run(started) is None


def test_a_chain_that_is_gone_fails_its_lane_alone(comparisons: Comparisons, lab: FakeLab) -> None:
    started = comparisons.start(plan("1", "2", lanes=(Settings(category="nowhere"), B)))
    lab.finish()
    cells = get(comparisons, started).cells
    assert [cells[Key(lane, 1, 0)].state for lane in range(2)] == ["failed", "answered"]
    assert cells[Key(0, 1, 0)].error == "models.yaml has no chain `nowhere`."


def test_a_comparison_of_nothing_but_failures_ends(comparisons: Comparisons) -> None:
    gone = Settings(category="nowhere")
    started = comparisons.start(plan(lanes=(gone, msgspec.structs.replace(gone, max_tokens=1))))
    assert comparisons.run(started) is None


# --- What is kept ----------------------------------------------------------------------------------


def test_a_cell_keeps_the_answer_its_attempts_and_its_state(comparisons: Comparisons, lab: FakeLab) -> None:
    started = comparisons.start(plan())
    lab.handles[0].tell("answered", "Yes.")
    assert get(comparisons, started).cells[Key(0, 0, 0)] == Cell(
        lane=0, prompt=0, repeat=0, state="answered", answer=Answer(text="Yes."), attempts=(ATTEMPT,)
    )


def test_a_failure_is_kept_as_a_sentence(comparisons: Comparisons, lab: FakeLab) -> None:
    started = comparisons.start(plan())
    lab.handles[0].tell("failed", error=AllModelsFailed((), None))
    assert get(comparisons, started).cells[Key(0, 0, 0)].error == "No model was called: the chain has no model."


def test_what_is_in_progress_is_not_among_the_newest(comparisons: Comparisons, lab: FakeLab) -> None:
    comparisons.start(plan())
    assert comparisons.newest(9) == []


def test_what_is_over_is_among_the_newest_first(comparisons: Comparisons, lab: FakeLab, clock: None) -> None:
    ids = [comparisons.start(plan(text)) for text in ("1", "2", "3")]
    lab.finish()
    assert [comparison.id for comparison in comparisons.newest(2)] == [ids[2], ids[1]]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr("time.time", lambda: float(next(ticks)))


def test_a_name_is_one_line(comparisons: Comparisons, lab: FakeLab) -> None:
    started = comparisons.start(plan())
    comparisons.rename(started, " Spelling\n of words ")
    assert get(comparisons, started).name == "Spelling of words"


def test_a_comparison_renamed_while_it_runs_goes_on(comparisons: Comparisons, lab: FakeLab) -> None:
    started = comparisons.start(plan())
    comparisons.rename(started, "Spelling")
    lab.finish()
    assert states(comparisons, started) == ["answered", "answered"]


def test_an_unknown_id_is_none(comparisons: Comparisons) -> None:
    assert comparisons.get("nonsense") is None


# --- Stopping --------------------------------------------------------------------------------------


def test_stop_of_a_lane_leaves_the_others_alone(comparisons: Comparisons, lab: FakeLab) -> None:
    started = comparisons.start(plan())
    run = comparisons.run(started)
    assert run is not None
    run.stop(0)
    assert [handle.cancelled for handle in lab.handles] == [True, False]


def test_stop_asks_nothing_more(comparisons: Comparisons, lab: FakeLab) -> None:
    started = comparisons.start(plan(*map(str, range(50))))
    run = comparisons.run(started)
    assert run is not None
    run.stop()
    assert all(handle.cancelled for handle in lab.handles)
    for handle in lab.handles:
        handle.tell("cut", "half")
    assert states(comparisons, started) == ["cut"] * IN_FLIGHT
    assert comparisons.run(started) is None


def test_who_goes_on_asks_only_what_has_no_answer(comparisons: Comparisons, lab: FakeLab) -> None:
    started = comparisons.start(plan("1", "2"))
    lab.handles[0].tell("answered", "kept")
    lab.handles[1].tell("failed")
    run = comparisons.run(started)
    assert run is not None
    run.stop()
    for handle in lab.handles[2:]:
        handle.tell("cut", "half")
    asked = len(lab.handles)
    comparisons.go_on(started)
    for handle in lab.handles[asked:]:
        handle.tell("answered", "new")
    texts = {key: cell.answer.text for key, cell in get(comparisons, started).cells.items()}
    assert list(texts.values()).count("kept") == 1
    assert (len(lab.handles) - asked, list(texts.values()).count("new")) == (3, 3)
    assert comparisons.run(started) is None


def test_nobody_goes_on_with_a_comparison_in_progress(comparisons: Comparisons) -> None:
    started = comparisons.start(plan())
    with pytest.raises(InvalidRequest, match=r"^This comparison is in progress\.$"):
        comparisons.go_on(started)


def test_nobody_goes_on_where_every_answer_is_there(comparisons: Comparisons, lab: FakeLab) -> None:
    started = comparisons.start(plan())
    lab.finish()
    with pytest.raises(InvalidRequest, match=r"^Every prompt of this comparison has its answers\.$"):
        comparisons.go_on(started)


def test_what_a_dead_process_left_is_asked_again(lab: FakeLab, store: Store) -> None:
    started = stored(lab, store).start(plan())
    store.writer.flush()
    again = stored(lab, store)
    again.go_on(started)
    for handle in lab.handles[2:]:
        handle.tell("answered", "new")
    assert [cell.answer.text for cell in get(again, started).cells.values()] == ["new", "new"]


def test_a_page_that_is_gone_ends_it_after_a_while(comparisons: Comparisons, lab: FakeLab) -> None:
    run = comparisons.run(comparisons.start(plan()))
    assert run is not None
    run.attach("one")
    run.detach("one")
    [timer] = lab.timers.started
    assert timer.seconds == LOST_AFTER
    timer.end()
    assert all(handle.cancelled for handle in lab.handles)


# --- The store -------------------------------------------------------------------------------------


def stored(lab: FakeLab, store: Store) -> Comparisons:
    store.writer.flush()
    return Comparisons(lab.start, lab.asked_first, store.comparisons, lab.timers.later)


def test_a_comparison_is_read_back_as_it_was(lab: FakeLab, store: Store) -> None:
    first = stored(lab, store)
    started = first.start(plan("1", "2", repeats=2))
    lab.finish()
    first.rename(started, "Spelling")
    assert stored(lab, store).get(started) == first.get(started)


def test_what_was_running_when_the_process_ended_is_cut(lab: FakeLab, store: Store) -> None:
    started = stored(lab, store).start(plan())
    lab.handles[0].tell("running", "half")
    again = get(stored(lab, store), started)
    cell = again.cells[Key(0, 0, 0)]
    assert (cell.state, cell.answer.text) == ("cut", "half")


def test_the_newest_are_read_from_the_store(lab: FakeLab, store: Store, clock: None) -> None:
    first = stored(lab, store)
    ids = [first.start(plan(text)) for text in ("1", "2")]
    lab.finish()
    assert [comparison.id for comparison in stored(lab, store).newest(9)] == ids[::-1]


def test_a_plan_and_its_files_are_read_back_whole(lab: FakeLab, store: Store) -> None:
    first = stored(lab, store)
    asked = plan(
        lanes=(A, msgspec.structs.replace(B, params={"top_p": 0.5})),
        common=Settings(system="Be brief.", tools=(TOOL,), schema={"type": "object"}),
        before=(EARLIER,),
        files=(TEXT,),
        faults={"a": Fault(kind="server error", times=None, probability=0.5)},
    )
    started = first.start(asked, FILES)
    lab.finish()
    assert store.writer.flush()
    again = stored(lab, store)
    assert get(again, started).plan == asked
    assert {file: again.file(started, file) for file in FILES} == FILES


def test_a_file_that_is_gone_is_one_sentence(comparisons: Comparisons) -> None:
    with pytest.raises(InvalidRequest, match=r"^A file of this comparison is no longer stored\."):
        comparisons.file("c", TEXT.id)


def test_no_more_than_so_many_are_held_in_memory(lab: FakeLab, store: Store) -> None:
    comparisons = stored(lab, store)
    for _ in range(MAX_COMPARISONS + 5):
        started = comparisons.start(plan())
        lab.finish()
        comparisons.get(started)
    assert len(comparisons._recent.held()) <= MAX_COMPARISONS


def test_votes_are_read_back(lab: FakeLab, store: Store) -> None:
    first = stored(lab, store)
    comparison = get(first, first.start(plan()))
    lab.finish()
    comparison = get(first, comparison.id)
    first.vote(comparison, ballots(comparison)[0], "both bad")
    assert first.votes() == stored(lab, store).votes()
    assert [vote.winner for vote in first.votes()] == ["both bad"]


def test_what_is_forgotten_is_stopped_and_not_stored_again(lab: FakeLab, store: Store) -> None:
    comparisons = stored(lab, store)
    started = comparisons.start(plan())
    comparisons.forget()
    store.forget()
    for handle in lab.handles:
        assert handle.cancelled
        handle.tell("cut", "half")
    store.writer.flush()
    assert comparisons.get(started) is None
    with store.database.reading() as connection:
        assert connection.execute(select(cells)).all() == []


# --- With the whole Lab ----------------------------------------------------------------------------


def test_three_lanes_are_answered_stored_and_observed(make_lab: MakeLab, upstream: Upstream) -> None:
    upstream.script("one", then=answer("First."))
    lab = make_lab(chain_yaml(upstream, "one"))
    lanes = (Settings(category="chat"), Settings(model="two"), Settings(model="three"))
    started = lab.comparisons.start(plan("1", "2", "3", lanes=lanes))
    run = lab.comparisons.run(started)
    while run is not None and (handles := run.handles()):
        next(iter(handles.values())).result(timeout=30)
        run = lab.comparisons.run(started)
    comparison = get(lab.comparisons, started)
    assert {cell.state for cell in comparison.cells.values()} == {"answered"}
    assert comparison.cells[Key(0, 2, 0)].answer.text == "First."
    lab.store.writer.flush()
    assert [row["source"] for row in lab.store.observations.last(99)] == ["compare"] * 9


def test_the_lab_s_end_asks_nothing_more(tmp_path: Path, upstream: Upstream) -> None:
    for model in ("one", "two"):
        upstream.script(model, then=stall_after(1))
    path = tmp_path / "models.yaml"
    path.write_text(chain_yaml(upstream, "one"), encoding="utf-8")
    lab = Lab(path, environ={})
    lab.comparisons.start(plan(*map(str, range(50)), lanes=(Settings(model="one"), Settings(model="two"))))
    upstream.wait_received("one")
    lab.close()
    assert len(upstream.requests) <= IN_FLIGHT
