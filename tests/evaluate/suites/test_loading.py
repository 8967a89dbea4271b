"""Suites from YAML: what a file means, and which sentence a mistake gets."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from router.core.errors import ConfigError
from router.core.suites import Case, Check, Suite
from router.evaluate.suites import load_suite, parse_suite
from tests.evaluate.known import GRADERS

FILE = Path("suites/tools.yaml")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WEATHER = "{name: weather, description: Tells it., parameters: {type: object, properties: {}}}"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def read(text: str) -> Suite:
    return parse_suite(text, FILE, GRADERS)


def case(text: str, suite: str = "") -> Case:
    """The first case of a suite, from what stands in it after the dash."""
    return read(f"{suite}\ncases:\n  - {text}\n").cases[0]


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


# --- What it means ---------------------------------------------------------------------------------


def test_a_prompt_is_the_users_message() -> None:
    assert case("prompt: Hello?").request.messages == (user("Hello?"),)


def test_a_suites_name_is_its_files_where_it_has_none() -> None:
    assert (read("cases: [{prompt: x}]").name, read("name: mine\ncases: [{prompt: x}]").name) == ("tools", "mine")


def test_a_case_knows_its_file_and_line() -> None:
    suite = read("name: a\ncases:\n  - prompt: x\n  - prompt: y\n")
    assert [case.place for case in suite.cases] == ["suites/tools.yaml:3", "suites/tools.yaml:4"]


def test_what_a_suite_says_holds_for_all_cases() -> None:
    found = case("prompt: x", f"category: tools\nsystem: Be brief.\nthreshold: 0.5\ntools: [{WEATHER}]")
    assert found.request.messages == (system("Be brief."), user("x"))
    assert [tool["function"]["name"] for tool in found.request.tools] == ["weather"]
    assert (found.category, found.threshold) == ("tools", 0.5)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("category: code", "category", "code"),
        ("category: null", "category", None),
        ("threshold: 1", "threshold", 1),
        ("threshold: null", "threshold", None),
    ],
)
def test_a_case_has_the_last_word(text: str, field: str, value: object) -> None:
    found = case(f"{{prompt: x, {text}}}", "category: tools\nthreshold: 0.5")
    assert getattr(found, field) == value


def test_a_case_can_do_without_what_its_suite_has() -> None:
    found = case('{prompt: x, system: "", tools: []}', f"system: Be brief.\ntools: [{WEATHER}]")
    assert (found.request.messages, found.request.tools) == ((user("x"),), ())


def test_parameters_of_a_case_stand_over_those_of_its_suite() -> None:
    found = case("{prompt: x, params: {max_tokens: 5, seed: 2}}", "params: {temperature: 0, max_tokens: 300, top_p: 1}")
    request = found.request
    assert (request.temperature, request.max_tokens, request.params) == (0.0, 5, {"top_p": 1, "seed": 2})


def test_a_temperature_is_written_like_those_from_pages() -> None:
    """Whole or not, it is the same request, which the cache should know again."""
    asked = case("{prompt: x, params: {temperature: 0}}").request
    assert b'"temperature":0.0' in asked.canonical()


def test_messages_with_a_system_message_keep_their_own() -> None:
    found = case("messages: [{role: system, content: Mine.}, {role: user, content: x}]", "system: Be brief.")
    assert found.request.messages == (system("Mine."), user("x"))


def test_further_turns_are_the_users() -> None:
    assert case("{prompt: x, then: [y, {role: user, content: z}]}").then == (user("y"), user("z"))


def test_tools_are_taken_in_both_shapes() -> None:
    [bare] = case(f"{{prompt: x, tools: [{WEATHER}]}}").request.tools
    [wrapped] = case(f"{{prompt: x, tools: [{{type: function, function: {WEATHER}}}]}}").request.tools
    assert bare == wrapped == {"type": "function", "function": dict(bare["function"])}


@pytest.mark.parametrize(("text", "target"), [('"17"', ("17",)), ("[a, b]", ("a", "b")), ("[]", ())])
def test_a_target_is_a_text_or_several(text: str, target: tuple[str, ...]) -> None:
    assert case(f"{{prompt: x, target: {text}}}").target == target


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("equals", Check(type="equals")),
        ("not-equals", Check(type="equals", negated=True)),
        ("contains: x", Check(type="contains", value="x")),
        ("not-contains: x", Check(type="contains", value="x", negated=True)),
        ("contains-any: [a, b]", Check(type="contains-any", value=["a", "b"])),
        (
            "number: {value: 17, tolerance: 0.01, weight: 2, threshold: 0.5, name: n}",
            Check(type="number", value=17, weight=2.0, threshold=0.5, name="n", options={"tolerance": 0.01}),
        ),
        ("is-json: {value: {type: object}}", Check(type="is-json", value={"type": "object"})),
        ("no-tool-calls", Check(type="no-tool-calls")),
    ],
)
def test_a_check_is_a_name_with_a_value_or_settings(text: str, check: Check) -> None:
    assert case(f"{{prompt: x, checks: [{text}]}}").checks == (check,)


def test_checks_of_the_suite_come_first() -> None:
    found = case("{prompt: x, checks: [equals]}", "checks: [{latency: 3}]")
    assert [check.type for check in found.checks] == ["latency", "equals"]


def test_an_id_that_is_left_out_is_of_what_is_asked_and_checked() -> None:
    texts = ["prompt: x", "{prompt: x, target: a}", "{prompt: x, checks: [equals]}", "prompt: y"]
    ids = [case(text).id for text in texts]
    assert len({*ids}) == len(ids)
    assert case("{prompt: x, tags: [t], weight: 3}").id == ids[0]


def test_cases_that_ask_the_same_share_a_key() -> None:
    assert case("{id: a, prompt: x}").key == case("{id: b, prompt: x, checks: [equals]}").key


def test_an_image_goes_before_its_prompt(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PIXEL)
    path = tmp_path / "suite.yaml"
    path.write_text("cases: [{prompt: What is it?, images: [a.png]}]")
    [message] = load_suite(path, GRADERS).cases[0].request.messages
    assert [part["type"] for part in message["content"]] == ["image_url", "text"]
    assert message["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")


# --- What is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: x\n", "line 1: `cases` is missing."),
        ("cases: []\n", "line 1: `cases` is empty. Name at least one."),
        ("cases:\n  a: 1\n", "line 1: `cases` must be a list, not a mapping."),
        ("name: x\ncasess: []\n", "line 2: unknown key `casess`. Did you mean `cases`?"),
        ("cases:\n  - prompt: x\n    chekcs: []\n", "line 3: unknown key `chekcs`. Did you mean `checks`?"),
        ("name: a b\ncases: [{prompt: x}]\n", "line 1: `name`: `a b` must be letters, digits"),
        ("cases:\n  - prompt: x\n    id: 17\n", "line 3: `cases.0.id` must be text, not this number."),
        ("cases:\n  - prompt: x\n    target: 17\n", "line 3: `cases.0.target`: it must be text; write it in quotes."),
        ("cases:\n  - prompt: x\n    weight: .inf\n", "line 3: `cases.0.weight` must be a finite number"),
        ("cases:\n  - prompt: x\n    weight: .nan\n", "line 3: `cases.0.weight` must be a finite number"),
        ("cases:\n  - prompt: x\n    weight: -1\n", "line 3: `cases.0.weight` must be greater than or equal to 0"),
        ("cases:\n  - prompt: x\n    weight: 1e9\n", "line 3: `cases.0.weight` must be less than or equal to"),
        ("cases:\n  - prompt: x\n    weight: 1e999\n", "line 3: `cases.0.weight` must be a finite number"),
        ("cases:\n  - prompt: x\n    threshold: 2\n", "line 3: `cases.0.threshold` must be less than or equal to 1"),
        ("cases:\n  - prompt: x\n    metadata: {1: x}\n", "line 3: the name `1` must be text; write it in quotes."),
        (
            "cases:\n  - prompt: x\n    metadata: {a: [.inf]}\n",
            "line 3: `cases.0.metadata`: it contains a number that is",
        ),
        ("cases:\n  - tags: [x]\n", "line 2: a case has either a `prompt` or `messages`."),
        ("cases:\n  - prompt: x\n    messages: [{role: user, content: x}]\n", "line 2: a case has either"),
        ("cases:\n  - prompt: ' '\n", "line 2: The prompt is empty."),
        ("system: Be brief.\ncases:\n  - prompt: ' '\n", "line 3: The prompt is empty."),
        ("cases:\n  - messages: []\n", "line 2: `cases.0.messages`: the last message must be the user's"),
        (
            "cases:\n  - messages: [{role: assistant, content: x}]\n",
            "line 2: `cases.0.messages`: the last message must",
        ),
        (
            "cases:\n  - messages: [{role: robot, content: x}]\n",
            "line 2: `cases.0.messages.0`: the `role` of a message",
        ),
        ("cases:\n  - messages: [{role: user, content: 5}]\n", "line 2: `cases.0.messages.0`: the `content` of a"),
        ("cases:\n  - messages: [{role: user, content: [x]}]\n", "line 2: `cases.0.messages.0`: the `content` of a"),
        (
            "cases:\n  - prompt: x\n    then: [{role: system, content: x}]\n",
            "line 3: `cases.0.then.0`: a further turn is",
        ),
        (
            "cases:\n  - messages: [{role: system, content: x}, {role: user, content: x}]\n    system: x\n",
            "line 3: the case has a `system` prompt and a system message. Remove one.",
        ),
        ("cases:\n  - prompt: x\n    params: {tools: []}\n", "line 3: `cases.0.params`: `tools` is a key of its own"),
        ("cases:\n  - prompt: x\n    params: {model: x}\n", "line 3: `cases.0.params`: `model` is set by each call"),
        ("cases:\n  - prompt: x\n    params: {api_key: x}\n", "line 3: `cases.0.params`: `api_key` contains a key"),
        ("cases:\n  - prompt: x\n    params: {temperature: hot}\n", "line 3: `cases.0.params`: `temperature` must be"),
        ("cases:\n  - prompt: x\n    params: {max_tokens: 0}\n", "line 3: `cases.0.params`: `max_tokens` must be"),
        ("cases:\n  - prompt: x\n    params: {tool_choice: 1}\n", "line 3: `cases.0.params`: `tool_choice` must be"),
        ("cases:\n  - prompt: x\n    tools: [{name: a b}]\n", "line 3: `cases.0.tools.0`: a tool needs a `name` of"),
        (
            "cases:\n  - prompt: x\n    tools: [{name: a, params: {}}]\n",
            "line 3: `cases.0.tools.0`: `params` is not a key",
        ),
        (
            "cases:\n  - prompt: x\n    tools: [{name: a, parameters: {}}]\n",
            "line 3: `cases.0.tools.0`: the parameters of",
        ),
        (
            "cases:\n  - prompt: x\n    tools: [{name: a, parameters: {type: object, required: yes}}]\n",
            "line 3: `cases.0.tools.0`: the parameters of `a` are not a JSON schema",
        ),
        (
            "cases:\n  - prompt: x\n    checks: [contain]\n",
            "line 3: `contain` is not a grader. Did you mean `contains`?",
        ),
        ("cases:\n  - prompt: x\n    checks:\n      - not-equal: x\n", "line 4: `equal` is not a grader. Did you mean"),
        (
            "cases:\n  - prompt: x\n    checks: [{similar: y}]\n",
            "line 3: `similar` is not a grader: it compares embeddings, and no embedding model is asked here. Use",
        ),
        (
            "cases:\n  - prompt: x\n    checks: [{not-select-best: y}]\n",
            "line 3: `select-best` is not a grader: it compares the lanes' answers with one another, and a check here",
        ),
        ("checks:\n  - equal\ncases: [{prompt: x}]\n", "line 2: `equal` is not a grader. Did you mean `equals`?"),
        (
            "cases:\n  - prompt: x\n    checks: [{a: 1, b: 2}]\n",
            "line 3: `cases.0.checks.0`: a check is a grader's name",
        ),
        ("cases:\n  - prompt: x\n    checks: [5]\n", "line 3: `cases.0.checks.0`: a check is a grader's name"),
        ("cases:\n  - prompt: x\n    checks: [{5: 1}]\n", "line 3: `cases.0.checks.0`: a check is a grader's name"),
        (
            "cases:\n  - prompt: x\n    checks: [{equals: .inf}]\n",
            "line 3: `cases.0.checks.0.value`: it contains a number",
        ),
        (
            "cases:\n  - prompt: x\n    checks:\n      - number:\n          value: 1\n          weight: a\n",
            "line 6: `cases.0.checks.0.weight` must be a number, not text.",
        ),
        (
            "checks:\n  - equals\n  - number:\n      value: 1\n      threshold: 3\ncases: [{prompt: x}]\n",
            "line 5: `checks.1.threshold` must be less than or equal to 1",
        ),
        (
            "cases:\n  - prompt: x\n    checks: [{number: {weigth: 2}}]\n",
            "line 3: `cases.0.checks.0`: `number` has no setting `weigth`; it has `weight`.",
        ),
        (
            "cases:\n  - {id: a, prompt: x}\n  - id: a\n    prompt: y\n",
            "line 3: the id `a` is taken by the case on line 2. Change one.",
        ),
        ("cases:\n  - prompt: x\n  - prompt: x\n", "line 3: this case is the same as the case on line 2. Change one."),
        (
            "cases:\n  - prompt: x\n    images: [/etc/passwd]\n",
            "line 3: `/etc/passwd` is not below the folder of tools",
        ),
        (
            "cases:\n  - prompt: x\n    images: [../a.png]\n",
            "line 3: `../a.png` is not below the folder of tools.yaml.",
        ),
        ("cases:\n  - prompt: x\n    images: ['file:///etc/passwd']\n", "line 3: `file:///etc/passwd` is not below"),
        (
            "cases:\n  - prompt: x\n    images: [gone.png]\n",
            "line 3: `gone.png` does not exist in the folder of tools.",
        ),
        (
            "cases:\n  - messages: [{role: user, content: x}]\n    images: [a.png]\n",
            "line 3: `images` go with a `prompt`; in `messages` they are parts of the content.",
        ),
        (BOMB + "cases: [{prompt: x}]\n", "with its aliases expanded, the file has more than 500,000 values"),
        ("cases: [{prompt: x, metadata: {a: " + "[" * 60 + "]" * 60 + "}}]", "nested more than 50 deep"),
        ('cases:\n  - prompt: "a\\0"\n', "line 2: the text contains U+0000"),
        ("cases:\n  - prompt: x\n    weight: " + "9" * 5_000, "line 3: not valid YAML: a number has at most 100"),
    ],
    ids=lambda value: value[:50],
)
def test_a_mistake_is_one_sentence_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value).startswith("suites/tools.yaml, line ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_a_text_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("text")
    path = tmp_path / "suite.yaml"
    path.write_text("cases: [{prompt: x, images: [notes.txt]}]")
    with pytest.raises(ConfigError, match=r"line 1: `notes\.txt` is not an image\."):
        load_suite(path, GRADERS)


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"cases: \xff", r"is not UTF-8 text \(byte 7\)"), (b"", "is empty"), (b"- prompt: x", "must be a mapping with")],
)
def test_a_file_that_is_no_suite_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "suite.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=words):
        load_suite(path, GRADERS)


def test_a_file_that_says_it_is_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    with path.open("wb") as file:
        file.truncate(1_000_000_000)
    with pytest.raises(ConfigError, match="is larger than 20 MB"):
        load_suite(path, GRADERS)


def test_a_check_that_its_grader_cannot_use_is_said_with_its_line() -> None:
    def problem(check: Check, case: Case) -> str | None:
        return f"`regex` has no expression, in {case.id}." if check.type == "regex" else None

    text = "checks: [equals]\ncases:\n  - prompt: x\n    id: a\n    checks:\n      - number\n      - regex\n"
    with pytest.raises(ConfigError, match=r"line 7: `regex` has no expression, in a\.$"):
        parse_suite(text, FILE, GRADERS, problem)


@pytest.mark.parametrize("value", ["x", 5, [1], {"a": 1}, None, True])
def test_no_value_in_any_place_is_more_than_a_sentence(value: Any) -> None:
    names = "id prompt messages then images target category tags weight group system params tools response_format"
    for name in [*names.split(), "threshold", "metadata", "checks"]:
        for text in (f"cases: [{{prompt: x, {name}: {value!r}}}]", f"{name}: {value!r}\ncases: [{{prompt: x}}]"):
            try:
                read(text.replace("None", "null").replace("True", "true"))
            except ConfigError as error:
                assert str(error).startswith("suites/tools.yaml, line 1: ")
