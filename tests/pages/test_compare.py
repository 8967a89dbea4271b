"""The Compare page without a browser: the page as its script draws it, the engine, an upstream on a real socket."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from router.compare import lane_name
from router.core.errors import StoreError
from router.lab import close_lab, open_lab
from tests.pages.compare_page import choose, compare, compare_many, comparison, link, matrix, rows, view, wait_for_end
from tests.pages.conftest import HOSTILE, OpenApp, look, open_chip, press, sources, strips, texts
from tests.upstream import PIXEL, Answer, Upstream, answer, silent, status


def lanes(app: AppTest) -> list[str]:
    """The names of the lanes that were asked."""
    return [lane_name(lane) for lane in comparison(app).plan.lanes]


# --- The form --------------------------------------------------------------------------------------


def lane_boxes(app: AppTest) -> list[Selectbox[Any]]:
    """The controls that say which chain or model a lane is."""
    return [box for box in app.selectbox if box.label.startswith("Lane ")]


def test_a_chain_stands_beside_a_model_at_first(open_compare: OpenApp) -> None:
    app = open_compare()
    assert [box.value for box in lane_boxes(app)] == ["conversation chain", "one"]


def test_all_lanes_answer(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=answer("From the first."))
    app = compare(open_compare())
    assert [text for text in texts(app) if text == "From the first."] == ["From the first."] * 2


@pytest.mark.parametrize("shown", ["Answers", "Matrix"])
def test_an_answer_that_was_cut_says_so(open_compare: OpenApp, upstream: Upstream, shown: str) -> None:
    upstream.script("one", then=answer("One, two,", finish_reason="length"))
    app = open_compare()
    app.number_input(key="compare_max_tokens_0").set_value(25)
    app = view(compare(app), shown)
    said = " ".join([*texts(app), *(str(table.value.to_dict()) for table in app.dataframe)])
    assert "Cut at max tokens (25). " in said
    assert "check_circle" not in said


def test_an_answer_of_images_alone_is_drawn(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=Answer((), images=(PIXEL,)))
    app = compare(open_compare())
    assert [len(element.proto.imgs) for element in app.get("image")] == [1, 1]
    assert "No text." not in texts(app)


def test_lanes_can_be_added_up_to_eight(open_compare: OpenApp) -> None:
    app = open_compare()
    for _ in range(6):
        press(app, "Add a lane")
    assert not [button for button in app.button if button.label == "Add a lane"]
    assert [box.label for box in lane_boxes(app)] == [f"Lane {n}" for n in range(1, 9)]


def test_a_removed_lane_is_not_asked(open_compare: OpenApp) -> None:
    app = press(open_compare(), "Add a lane")
    app.button(key="compare_remove_1").click()
    assert lanes(compare(look(app))) == ["conversation chain", "two"]


def test_the_form_is_as_it_was_after_a_visit_to_another_page(open_compare: OpenApp) -> None:
    app = open_compare()
    press(app, "Add a lane")
    app.text_area(key="compare_prompt").set_value("Half a thought")
    app.number_input(key="compare_temperature_0").set_value(0.7)
    look(app).switch_page("chat.py")
    look(app).switch_page("compare.py")
    look(app)
    assert [box.label for box in lane_boxes(app)] == ["Lane 1", "Lane 2", "Lane 3"]
    assert app.text_area(key="compare_prompt").value == "Half a thought"
    assert app.number_input(key="compare_temperature_0").value == 0.7


def test_a_new_comparison_begins_with_an_empty_form(open_compare: OpenApp) -> None:
    app = compare(open_compare(), "Hello?")
    press(app, "New")
    assert look(app).text_area(key="compare_prompt").value == ""


def test_a_lane_asks_with_its_parameters(open_compare: OpenApp, upstream: Upstream) -> None:
    app = open_compare()
    app.number_input(key="compare_max_tokens_1").set_value(9)
    app.text_area(key="compare_system_1").set_value("Be brief.")
    compare(app)
    bodies = [call.body for call in upstream.received("one")]
    assert [body.get("max_tokens") for body in bodies].count(9) == 1
    assert sum(body["messages"][0]["role"] == "system" for body in bodies) == 1


def test_the_same_lane_twice_is_one_sentence(open_compare: OpenApp, upstream: Upstream) -> None:
    app = open_compare()
    app.selectbox(key="compare_lane_1").set_value("conversation chain")
    app.text_area(key="compare_prompt").set_value("Hello?")
    press(app, "Compare")
    (error,) = app.error
    assert error.value.startswith("Lanes 1 and 2 are the same: conversation chain.")
    assert upstream.requests == []


def test_no_prompt_is_one_sentence(open_compare: OpenApp) -> None:
    (error,) = press(open_compare(), "Compare").error
    assert error.value == "There is no prompt. Enter at least one."


def test_a_column_of_prompts_is_asked_row_by_row(open_compare: OpenApp) -> None:
    app = choose(open_compare(), "Several")
    rows(app, "compare_rows", {"prompt": "1", "category": "code"}, {"prompt": "2"})
    wait_for_end(press(app, "Compare"))
    assert [(prompt.text, prompt.category) for prompt in comparison(app).plan.prompts] == [("1", "code"), ("2", None)]


def template(app: AppTest, text: str, *given: dict[str, str]) -> AppTest:
    app = choose(app, "Template")
    app.text_area(key="compare_template").set_value(text)
    rows(look(app), "compare_values_word_mother-tongue", *given)
    return press(app, "Compare")


def test_a_template_is_filled_from_the_table(open_compare: OpenApp) -> None:
    app = template(open_compare(), "{{word}} in {{mother-tongue}}", {"word": "cat", "mother-tongue": "Latin"})
    assert [prompt.text for prompt in comparison(wait_for_end(app)).plan.prompts] == ["cat in Latin"]


def test_a_missing_variable_is_one_sentence(open_compare: OpenApp) -> None:
    app = template(open_compare(), "{{word}} in {{mother-tongue}}", {"word": "cat"})
    (error,) = app.error
    assert error.value.replace("\\", "").startswith("Row 4 of the table needs a value for {{mother-tongue}}.")


# --- In progress -----------------------------------------------------------------------------------


def test_stop_of_a_lane_leaves_the_other_one_in_progress(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=silent)
    app = open_compare()
    app.selectbox(key="compare_lane_0").set_value("code chain")
    upstream.script("three", then=silent)
    app.text_area(key="compare_prompt").set_value("Hello?")
    press(app, "Compare")
    upstream.wait_received("one")
    app.button(key="compare_stop_1").click()
    look(app)
    assert upstream.wait_closed("one").disconnected
    assert [call.closed for call in upstream.received("three")] == [None]


def test_stop_all_cuts_every_lane(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=silent)
    app = open_compare()
    app.text_area(key="compare_prompt").set_value("Hello?")
    press(app, "Compare")
    upstream.wait_received("one")
    app.button(key="compare_stop").click()
    wait_for_end(app)
    assert {cell.state for cell in comparison(app).cells.values()} == {"cut"}


# --- Over ------------------------------------------------------------------------------------------


def test_a_failed_lane_says_why_beside_one_that_answered(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=status(402, "No money."))
    app = compare(open_compare())
    (error,) = app.error
    assert "No money" in error.value
    assert "word1 word2 word3" in texts(app)


def test_each_answer_has_its_trace(open_compare: OpenApp) -> None:
    app = compare(open_compare())
    assert [expander.label for expander in app.expander].count("Trace") == 2


def test_each_answer_names_the_model_that_gave_it(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=status(402, "No money."))
    app = compare(open_compare())
    assert [re.findall(r"(\w+) :\w+\[(.)", strip) for strip in strips(app)] == [
        [("one", "✕"), ("two", "✓")],
        [("one", "✕")],
    ]
    assert any("No money." in text for text in open_chip(app, 0))


def test_a_hostile_answer_is_text(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=answer(HOSTILE))
    assert directives(compare(open_compare())) == []


def directives(app: AppTest) -> list[str]:
    """Texts in which Streamlit would read a color that is not ours."""
    return [text for text in sources(app) if re.search(r"(?<!\\):red\[(?!:material|✕)", text)]


def test_a_hostile_name_is_text(open_compare: OpenApp) -> None:
    app = open_compare()
    app.selectbox(key="compare_lane_1").set_value(HOSTILE)
    assert directives(compare(app)) == []


def test_an_answer_is_made_a_test_case(open_compare: OpenApp) -> None:
    app = compare(open_compare(), "What is 6 times 7?")
    next(area for area in app.text_area if area.label == "Expected answer").set_value("42")
    next(button for button in app.button if button.label == "Save test case").click()
    look(app)
    [case] = open_lab().cases.all()
    assert (case.input[-1]["content"], case.target) == ("What is 6 times 7?", "42")


def test_the_summary_has_a_row_a_lane(open_compare: OpenApp) -> None:
    app = view(compare(open_compare()), "Summary")
    table = app.dataframe[0].value
    assert list(table["lane"]) == ["conversation chain", "one"]
    assert list(table["answered"]) == [1.0, 1.0]


def test_unknown_cost_is_said_to_be_unknown(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=answer(usage=None))
    app = view(compare(open_compare()), "Summary")
    assert app.dataframe[0].value["cost"].isna().all()
    assert [text for text in texts(app) if text.startswith("Cost unknown: ")]


def test_calls_of_unknown_cost_stand_beside_the_known_cost(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", answer(usage=None))  # one of the two lanes' calls, whichever comes first
    app = view(compare_many(open_compare(), {"prompt": "First?"}, {"prompt": "Second?"}), "Summary")
    assert [text for text in texts(app) if text.endswith(": $0.00042 + 1 call unknown.")]


def test_use_again_fills_the_form(open_compare: OpenApp) -> None:
    app = open_compare()
    app.selectbox(key="compare_lane_1").set_value("three")
    app.number_input(key="compare_max_tokens_1").set_value(9)
    app = press(compare(app, "Which one?"), "Use again")
    assert app.text_area(key="compare_prompt").value == "Which one?"
    assert app.selectbox(key="compare_lane_1").value == "three"
    assert app.number_input(key="compare_max_tokens_1").value == 9
    assert "comparison" not in app.query_params


# --- The matrix, and differences ---------------------------------------------------------------------


def test_the_matrix_shows_each_answer_with_the_model_that_gave_it(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=status(402, "No money."))
    upstream.script("two", then=answer("From the second. " * 50))
    first, second = matrix(compare_many(open_compare(), {"prompt": "1"}, {"prompt": "2", "category": "code"}))
    assert [(row["text"], row["labels"]) for row in (first, second)] == [("1", []), ("2", ["code"])]
    chain, model = first["cells"]
    assert (chain["model"], chain["mark"], chain["place"]) == ("two", "✓", "fallback 1")
    assert chain["text"].startswith("From the second. ")
    assert (model["model"], model["mark"]) == ("one", "✕")
    assert "No money" in model["text"]


def test_the_matrix_is_paged(open_compare: OpenApp) -> None:
    app = compare_many(open_compare(), *({"prompt": str(n)} for n in range(25)))
    assert [row["text"] for row in matrix(app)] == [str(n) for n in range(10)]


def test_two_answers_are_compared_word_by_word(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", answer("The sky is blue."), answer("The sky is violet."))
    app = view(compare(open_compare()), "Differences")
    (drawn,) = [text for text in texts(app) if "The sky is" in text]
    plain = drawn
    assert ":red-background[~~" in plain
    assert ":green-background[**" in plain
    assert {"blue", "violet"} <= set(re.findall(r"\w+", plain))


def test_a_hostile_answer_is_text_in_a_difference(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", answer(HOSTILE), answer("# No\n- x"))
    app = view(compare(open_compare()), "Differences")
    drawn = "".join(sources(app)).replace(":red-background[~~", "").replace(":green-background[**", "")
    assert not re.search(r"(?<!\\):red\[y|(?<!\\)<b>|(?<!\\)\[z", drawn)


# --- Links -----------------------------------------------------------------------------------------


def test_a_link_opens_a_comparison_after_a_restart(
    home: Path, open_compare: OpenApp, compare_yaml: str, upstream: Upstream
) -> None:
    upstream.script("one", then=answer("Stored."))
    named = link(compare(open_compare()))
    close_lab()
    assert "Stored." in texts(open_compare(comparison=named))


def test_a_damaged_store_is_one_sentence(
    open_compare: OpenApp, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object) -> None:
        raise StoreError("The database could not be read. It was moved away.")

    monkeypatch.setattr("router.store.ComparisonLog.load", damaged)
    (error,) = open_compare(comparison="0123456789ab").error
    assert error.value == "The database could not be read. It was moved away."


@pytest.mark.parametrize("nonsense", ["0123456789ab", "../../etc/passwd", "<script>", ""])
def test_nonsense_in_a_link_is_one_sentence_and_a_new_comparison(open_compare: OpenApp, nonsense: str) -> None:
    app = open_compare(comparison=nonsense)
    (warning,) = app.warning
    assert warning.value == "The comparison in this link is not stored here. Start a new one below."
    assert [button for button in app.button if button.label == "Compare"]


# --- Saving and finding again ----------------------------------------------------------------------


def test_a_name_is_kept_and_shown(open_compare: OpenApp) -> None:
    app = compare(open_compare())
    app.text_input[0].set_value("The sky, twice")
    press(app, "Save")
    assert "## The sky, twice" in texts(look(app))


def test_an_earlier_one_is_found_by_its_name(open_compare: OpenApp) -> None:
    app = compare(open_compare())
    named = link(app)
    open_lab().comparisons.rename(named, "The sky, twice")
    app = open_compare()
    app.session_state["compare_tabs"] = "Earlier comparisons"
    press(look(app), "The sky, twice")
    assert link(app) == named


def test_another_session_does_not_see_what_is_in_progress(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=silent)
    app = open_compare()
    app.text_area(key="compare_prompt").set_value("A secret prompt")
    press(app, "Compare")
    other = open_compare()
    other.session_state["compare_tabs"] = "Earlier comparisons"
    assert not [button for button in look(other).button if "secret" in button.label]


def test_its_link_shows_what_is_in_progress(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=silent)
    app = open_compare()
    app.text_area(key="compare_prompt").set_value("Hello?")
    press(app, "Compare")
    assert [button for button in open_compare(comparison=link(app)).button if button.key == "compare_stop"]


# --- Before many calls -----------------------------------------------------------------------------


def many(app: AppTest, repeats: int) -> AppTest:
    """Ask for so many repeats of one prompt in two lanes."""
    app.number_input(key="compare_repeats").set_value(repeats)
    app.text_area(key="compare_prompt").set_value("Hello?")
    return look(app)


def test_a_few_calls_are_not_estimated(open_compare: OpenApp) -> None:
    assert not [text for text in texts(many(open_compare(), 2)) if "Likely cost" in text]


def test_more_than_a_few_calls_are_estimated(open_compare: OpenApp) -> None:
    assert "6 calls. Likely cost: unknown. Likely time: unknown." in texts(many(open_compare(), 3))


def test_more_calls_than_the_limit_wait_for_a_yes(open_compare: OpenApp, upstream: Upstream) -> None:
    app = many(open_compare(), 3)
    app.number_input(key="compare_limit").set_value(5)
    press(app, "Compare")
    assert upstream.requests == []
    wait_for_end(press(app, "Run"))
    assert len(upstream.requests) == 6


def test_not_now_asks_nothing(open_compare: OpenApp, upstream: Upstream) -> None:
    app = many(open_compare(), 11)
    press(app, "Compare")
    press(app, "Cancel")
    assert not [button for button in app.button if button.label == "Run"]
    assert upstream.requests == []


# --- Blind votes -----------------------------------------------------------------------------------


def vote_blind(app: AppTest, upstream: Upstream, prompt: str = "Hello?") -> AppTest:
    """Compare two lanes that answer differently, and vote."""
    upstream.script("one", answer("From one lane."), then=answer("From the other."))
    app.toggle(key="compare_blind").set_value(True)
    return compare(app, prompt)


def sides(app: AppTest) -> list[str]:
    """The titles over the two answers."""
    return [text for text in texts(app) if re.fullmatch(r"\*\*(Left|Right|conversation chain|one)\*\*", text)]


def test_a_blind_vote_shows_no_names_before_the_vote(open_compare: OpenApp, upstream: Upstream) -> None:
    app = vote_blind(open_compare(), upstream)
    assert sides(app) == ["**Left**", "**Right**"]
    assert strips(app) == []
    assert not [text for text in texts(app) if "chain" in text.lower() and "**" in text]


def test_a_vote_reveals_whose_answers_they_were(open_compare: OpenApp, upstream: Upstream) -> None:
    app = press(vote_blind(open_compare(), upstream), "Left is better")
    assert sorted(sides(app)) == ["**conversation chain**", "**one**"]
    assert [strip.split()[0] for strip in strips(app)] == ["one", "one"]


@pytest.mark.parametrize(
    ("button", "winner"),
    [("Left is better", "left"), ("Right is better", "right"), ("Tie", "tie"), ("Both are bad", "both bad")],
)
def test_a_vote_is_stored(open_compare: OpenApp, upstream: Upstream, button: str, winner: str) -> None:
    press(vote_blind(open_compare(), upstream), button)
    close_lab()
    assert [vote.winner for vote in open_lab().comparisons.votes()] == [winner]


def test_after_the_last_vote_nothing_is_left_to_vote_on(open_compare: OpenApp, upstream: Upstream) -> None:
    app = press(press(vote_blind(open_compare(), upstream), "Tie"), "Next")
    assert [success.value for success in app.success] == ["All pairs of answers have votes."]


def test_an_undone_vote_is_asked_again(open_compare: OpenApp, upstream: Upstream) -> None:
    app = press(vote_blind(open_compare(), upstream), "Left is better")
    press(app, "Undo vote")
    assert open_lab().comparisons.votes() == []
    assert sides(app) == ["**Left**", "**Right**"]


def test_nothing_can_be_undone_before_the_first_vote(open_compare: OpenApp, upstream: Upstream) -> None:
    app = vote_blind(open_compare(), upstream)
    assert app.button(key="compare_vote_undo").disabled


def test_identical_answers_tie_without_being_shown(open_compare: OpenApp) -> None:
    app = open_compare()
    app.toggle(key="compare_blind").set_value(True)
    compare(app)
    assert sides(app) == []
    assert "1 pair of identical answers tied without a vote." in app.success[0].value
    assert [vote.winner for vote in open_lab().comparisons.votes()] == ["tie"]


def test_a_skipped_pair_comes_back_after_the_others(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", *(answer(f"Answer {n}.") for n in range(6)))
    app = open_compare()
    app.toggle(key="compare_blind").set_value(True)
    compare_many(app, {"prompt": "First?"}, {"prompt": "Second?"})
    shown = [prompt_of(app)]
    for label in ("Skip", "Tie", "Next"):
        shown.append(prompt_of(press(app, label)))
    assert shown == [shown[0], shown[1], shown[1], shown[0]]
    assert shown[0] != shown[1]


def prompt_of(app: AppTest) -> str:
    """The prompt whose answers are voted on."""
    return next(block.value for block in app.code if block.value in ("First?", "Second?"))


def test_a_reload_stays_blind(open_compare: OpenApp, upstream: Upstream) -> None:
    named = link(vote_blind(open_compare(), upstream))
    assert sides(open_compare(comparison=named, blind="1")) == ["**Left**", "**Right**"]


def test_names_can_be_shown_without_a_vote(open_compare: OpenApp, upstream: Upstream) -> None:
    app = press(vote_blind(open_compare(), upstream), "Show lane names")
    assert sides(app) == ["**conversation chain**", "**one**"]


def test_the_leaderboard_says_where_there_are_too_few_votes(open_compare: OpenApp, upstream: Upstream) -> None:
    press(vote_blind(open_compare(), upstream), "Left is better")
    app = open_compare()
    app.session_state["compare_tabs"] = "Leaderboard"
    look(app)
    assert [info.value for info in app.info if info.value.startswith("Too few votes")]
    assert sorted(app.dataframe[-1].value["votes"]) == [1, 1]


# --- Going on --------------------------------------------------------------------------------------


def test_what_has_no_answer_is_asked_again(open_compare: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", status(404), status(404), then=answer("At last."))
    app = compare(open_compare())
    before = len(upstream.requests)
    press(app, "Ask 1 unanswered")
    app = wait_for_end(app)
    assert {cell.state for cell in comparison(app).cells.values()} == {"answered"}
    assert len(upstream.requests) - before == 1
    assert not any(button.key == "compare_again" for button in app.button)
