"""promptfoo's configurations and tests as suites."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.core.errors import ConfigError
from router.core.suites import Check
from router.evaluate.importers import Imported, Source, import_promptfoo
from tests.evaluate.importers.samples import left, lines, only, prompt, taken, text

CONFIG = """\
description: Capitals
prompts:
  - "Capital of {{country}}?"
  - "Name the capital of {{country}}."
providers: [openai:gpt-4]
tests:
  - vars: {country: France}
    assert:
      - type: contains
        value: Paris
  - description: lists expand
    vars:
      country: [Italy, Spain]
    assert:
      - {type: javascript, value: output.length > 3}
"""


def config(content: str, name: str = "promptfooconfig.yaml", **more: Any) -> Imported:
    return import_promptfoo(text(content, name), **more)


def with_tests(tests: str, rest: str = "") -> Imported:
    """A configuration with one prompt, `{{x}}`."""
    return config(f"prompts: ['{{{{x}}}}']\n{rest}\ntests:\n{tests}")


def why(imported: Imported) -> str:
    """Why nothing was taken."""
    assert taken(imported) == ()
    return left(imported)[0][1]


# --- Tests and prompts -----------------------------------------------------------------------------


def test_every_test_is_a_case_with_every_prompt() -> None:
    cases = taken(config(CONFIG))
    assert [prompt(case) for case in cases] == ["Capital of France?", "Name the capital of France."]
    assert [case.checks for case in cases] == [(Check(type="contains", value="Paris"),)] * 2


def test_cases_of_one_test_share_a_group_and_others_do_not() -> None:
    found = with_tests("  - vars: {x: [a, b]}\n  - vars: {x: [c, d]}\n  - vars: {x: e}\n")
    assert [case.group for case in taken(found)] == ["test 1", "test 1", "test 2", "test 2", ""]


def test_a_test_that_runs_code_is_left_with_all_its_cases() -> None:
    found = config(CONFIG)
    said = [item for item in found.left if "javascript" in item.what]
    assert {item.place for item in said} == {"promptfooconfig.yaml:11"}
    assert "promptfoo itself, with Fallback Lab's endpoint" in said[0].fix
    assert found.sentence == "Read as a promptfoo configuration: 2 of 6 cases taken. 4 cases are left out."
    assert found.reasons[0] == (4, said[0])


def test_the_description_is_the_suites() -> None:
    assert config(CONFIG).suite.description == "Capitals"


def test_models_are_named_as_left() -> None:
    assert ("promptfooconfig.yaml:5", "The models of `providers` are not taken.") in left(config(CONFIG))


def test_a_configuration_in_json_has_its_lines() -> None:
    found = config('{"prompts": ["{{x}}"],\n "tests": [\n  {"vars": {"x": "a"}},\n  {"vars": {}}]}', "a.json")
    assert [case.place for case in taken(found)] == ["a.json:3"]
    assert left(found) == [("a.json:4", "Its template needs `{{x}}`, which has no value.")]


def test_lists_among_variables_stand_for_all_combinations() -> None:
    found = config("prompts: ['{{a}}{{b}}']\ntests:\n  - vars: {a: [x, y], b: ['1', '2']}\n")
    assert [prompt(case) for case in taken(found)] == ["x1", "x2", "y1", "y2"]


@pytest.mark.parametrize("options", ["options: {disableVarExpansion: true}", "metadata: {}"])
def test_lists_of_other_things_than_texts_do_not_expand(options: str) -> None:
    value = "[a, b]" if "true" in options else "[1, 2]"
    found = with_tests(f"  - vars: {{x: {value}}}\n    {options}\n")
    assert prompt(only(found)) == value.replace("a", '"a"').replace("b", '"b"').replace(" ", "")


def test_variables_that_stand_for_too_many_cases_are_refused_at_once() -> None:
    lists = ", ".join(f"v{n}: [{', '.join('abcdefghij')}]" for n in range(20))
    found = with_tests(f"  - vars: {{x: a, {lists}}}\n")
    assert why(found) == "Its variables stand for 100,000,000,000,000,000,000 cases."


def test_a_test_may_name_its_prompts() -> None:
    content = "prompts:\n  - {raw: 'A {{x}}', label: a}\n  - {raw: 'B {{x}}', label: b}\ntests:\n"
    assert prompt(only(config(content + "  - {vars: {x: y}, prompts: [b]}\n"))) == "B y"


def test_a_prompt_of_chat_messages_is_filled_inside() -> None:
    chat = '[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{x}}"}]'
    case = only(config(f"prompts:\n  - |\n    {chat}\ntests:\n  - vars: {{x: 'say \"hi\"'}}\n"))
    assert case.request.messages[1] == {"role": "user", "content": 'say "hi"'}


def test_a_prompt_of_chat_messages_may_be_yaml() -> None:
    content = "prompts:\n  - |\n    - role: system\n      content: Brief.\n    - role: user\n      content: '{{x}}'\n"
    assert only(config(content + "tests: [{vars: {x: y}}]\n")).request.messages[1]["content"] == "y"


def test_a_prefix_and_a_suffix_stand_around_the_prompt() -> None:
    assert prompt(only(with_tests("  - {vars: {x: b}, options: {prefix: 'a ', suffix: ' {{x}}'}}\n"))) == "a b b"


def test_metadata_and_the_description_are_kept() -> None:
    case = only(with_tests("  - {vars: {x: b}, description: d, metadata: {category: code, level: 3}}\n"))
    assert (case.category, case.metadata) == ("code", {"description": "d", "level": 3})


def test_a_test_may_have_a_threshold() -> None:
    asserts = "[{type: contains, value: a, weight: 2}, {type: equals, value: c}]"
    case = only(with_tests(f"  - {{vars: {{x: b}}, threshold: 0.5, assert: {asserts}}}\n"))
    assert (case.threshold, [check.weight for check in case.checks]) == (0.5, [2.0, 1.0])


# --- What is shared --------------------------------------------------------------------------------

DEFAULT = """\
defaultTest:
  vars: {x: a, y: b}
  assert: [{type: icontains, value: "{{y}}"}]
  threshold: 0.5
  metadata: {category: code}
"""


def test_the_default_test_goes_into_every_test() -> None:
    case = only(with_tests("  - vars: {y: c}\n    assert: [{type: contains, value: d}]\n", DEFAULT))
    assert (prompt(case), case.threshold, case.category) == ("a", 0.5, "code")
    assert case.checks == (Check(type="icontains", value="c"), Check(type="contains", value="d"))


def test_a_test_can_do_without_the_default_assertions() -> None:
    test = "  - options: {disableDefaultAsserts: true}\n    assert: [{type: contains, value: d}]\n"
    assert only(with_tests(test, DEFAULT)).checks == (Check(type="contains", value="d"),)


TEMPLATES = "assertionTemplates:\n  kind: {type: llm-rubric, value: 'is kind to {{x}}'}\n"


def test_references_to_assertion_templates_are_followed() -> None:
    case = only(
        with_tests("  - vars: {x: Ada}\n    assert: [{$ref: '#/assertionTemplates/kind', weight: 2}]\n", TEMPLATES)
    )
    assert case.checks == (Check(type="llm-rubric", value="is kind to Ada", weight=2.0),)


@pytest.mark.parametrize(
    ("templates", "what"),
    [
        ("a: 1\n", "`$ref: #/assertionTemplates/kind` leads nowhere in this file."),
        ("assertionTemplates:\n  kind: {$ref: '#/assertionTemplates/kind'}\n", "Its `$ref`s lead in a circle"),
        (
            "assertionTemplates:\n  kind: [" + "{$ref: '#/b'}, " * 200 + "]\nb: [" + "1, " * 200 + "]\n",
            "Its `$ref`s lead in a circle, or to too much.",
        ),
    ],
    ids=["nowhere", "circle", "much"],
)
def test_a_reference_that_cannot_be_followed_is_named(templates: str, what: str) -> None:
    found = with_tests("  - vars: {x: Ada}\n    assert: [{$ref: '#/assertionTemplates/kind'}]\n", templates)
    assert taken(found) == ()
    assert any(said.startswith(what) for _, said in left(found))


def test_settings_that_all_providers_share_are_the_requests() -> None:
    tool = "{type: function, function: {name: f, parameters: {type: object, properties: {}}}}"
    one = f"{{temperature: 0, max_tokens: 9, top_p: 1, tools: [{tool}], apiKey: sk-secret}}"
    found = with_tests(
        "  - vars: {x: a}\n", f"providers:\n  - {{id: openai:a, config: {one}}}\n  - {{id: openai:b, config: {one}}}"
    )
    [case] = taken(found)
    request = case.request
    assert (request.temperature, request.max_tokens, request.params) == (0, 9, {"top_p": 1})
    assert [tool["function"]["name"] for tool in request.tools] == ["f"]
    assert "`config.apiKey` of the providers is not taken." in {what for _, what in left(found)}
    assert "sk-secret" not in str(found)


@pytest.mark.parametrize(
    ("providers", "what"),
    [
        ("[{id: a, config: {temperature: 0}}, b]", "The providers have different settings, which are not taken."),
        ("{id: a, config: {tools: file://tools.json}}", "The settings of the providers are in other files."),
        ("{id: a, config: {temperature: hot}}", "`config.temperature` of the providers cannot be read."),
    ],
)
def test_settings_that_cannot_be_taken_are_named(providers: str, what: str) -> None:
    found = with_tests("  - vars: {x: a}\n", f"providers: {providers}")
    assert (len(taken(found)), left(found)) == (1, [("promptfooconfig.yaml:2", what)])


# --- What is left ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("test", "what"),
    [
        ("{vars: {x: a}, assert: [{type: javascript, value: a}]}", "Its `javascript` assertion runs code"),
        ("{vars: {x: a}, assert: [{type: python, value: file://a.py}]}", "Its `python` assertion runs code"),
        ("{vars: {x: a}, assertScoringFunction: file://s.js}", "Its `assertScoringFunction` runs code"),
        ("{vars: {x: a}, options: {transform: output.trim()}}", "Its `options.transform` is not done here."),
        ("{vars: {x: a}, options: {storeOutputAs: y}}", "Its `options.storeOutputAs` is not done here."),
        ("{vars: {x: 'file:///etc/passwd'}}", "Its variable `x` is another file."),
        ("{vars: {x: ['file://b.txt']}}", "Its variable `x` is another file."),
        ("{vars: {x: '{{ 7 * 7 }}'}}", "Its template computes something"),
        ("{vars: {x: '{{y}}'}}", "Its template needs `{{y}}`"),
        ("{vars: {x: ''}}", "The prompt is empty."),
        ("{vars: file://vars.yaml}", "Its `vars` is not a mapping."),
        ("{vars: {x: a}, assert: {type: equals}}", "Its `assert` is not a list."),
        ("{vars: {x: a}, threshold: 7}", "Its threshold is not a number from 0 to 1."),
        ("{vars: {x: a}, providerOutput: b}", "Its `providerOutput` stands for the answer"),
        ("{vars: {x: a}, prompts: [other]}", "None of the prompts that it is for can be taken."),
        ("{vars: {x: a}, metadata: {a: .inf}}", "It has a number that is not finite."),
        ("5", "It cannot be read: it is not a mapping."),
    ],
)
def test_a_test_that_cannot_be_taken_is_named_with_its_line(test: str, what: str) -> None:
    found = with_tests(f"  - {test}\n  - vars: {{x: fine}}\n")
    assert [prompt(case) for case in taken(found)] == ["fine"]
    [(place, said)] = left(found)
    assert place == "promptfooconfig.yaml:4" and said.startswith(what)
    assert found.found == 2


@pytest.mark.parametrize(
    ("key", "fix"),
    [
        ("scenarios: []", "Write their cases out as tests; they are not counted here."),
        ("extensions: [file://hook.js:beforeAll]", "They run code."),
        ("nunjucksFilters: {f: f.js}", "They run code."),
        ("sharing: false", "Nothing needs to be done if it only says how promptfoo runs."),
        ("evaluateOptions: {repeat: 3}", "Set repeats and concurrency when you run the suite."),
    ],
)
def test_a_key_that_is_not_taken_is_named(key: str, fix: str) -> None:
    [named] = with_tests("  - vars: {x: a}\n", key).left
    assert named.place == "promptfooconfig.yaml:2" and named.fix.startswith(fix)
    assert named.what == f"`{key.partition(':')[0]}` is not taken."


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("exec:make_prompt.sh", "The prompt `exec:make_prompt.sh` runs code"),
        ("file://prompt.py:make", "`prompt.py:make` runs code"),
        ("file:///etc/passwd", "`/etc/passwd` is another file."),
        ("langfuse://x", "The prompt `langfuse://x` is kept elsewhere."),
        ("{id: x, function: f}", "A prompt has no text"),
        ("5", "A prompt is not text."),
    ],
)
def test_a_prompt_that_cannot_be_taken_is_named(written: str, what: str) -> None:
    found = config(f"prompts: [{written}]\ntests: [{{vars: {{x: a}}}}]\n")
    assert why(found).startswith(what)


@pytest.mark.parametrize(
    ("tests", "what"),
    [
        ("file://make.js", "`make.js` runs code"),
        ("file://make.py:tests", "`make.py:tests` runs code"),
        ("[{path: 'file://make.py:tests', config: {}}]", "`make.py:tests` runs code"),
        ("huggingface://datasets/x", "The tests in `huggingface://datasets/x` are kept elsewhere."),
        ("file://t.csv", "`t.csv` is another file."),
    ],
)
def test_tests_that_are_elsewhere_are_named(tests: str, what: str) -> None:
    assert why(config(f"prompts: ['{{{{x}}}}']\ntests: {tests}\n")).startswith(what)


@pytest.mark.parametrize("default", ["file://default.yaml", "[1]", "5", "{$ref: '#/gone'}"])
def test_a_default_test_that_cannot_be_taken_is_refused(default: str) -> None:
    """Without it, no test means what its author meant."""
    with pytest.raises(ConfigError, match=r"promptfooconfig\.yaml:2: `defaultTest`"):
        with_tests("  - vars: {x: a}\n", f"defaultTest: {default}")


# --- Files -----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "prompt.txt").write_text("A {{x}}\n---\nB {{x}}\n")
    (tmp_path / "tests" / "a.yaml").write_text("- vars: {x: yaml}\n")
    (tmp_path / "tests" / "b.yml").write_text("\n\n- vars: {x: yml}\n")
    (tmp_path / "tests" / "c.csv").write_text("x,__expected\ncsv,contains:y\n")
    (tmp_path / "tests" / "d.jsonl").write_text('{"vars": {"x": "lines"}}\n')
    (tmp_path / "tests" / "e.json").write_text('[{"vars": {"x": "json"}}]')
    (tmp_path / "default.yaml").write_text("metadata: {category: code}\n")
    return tmp_path


def in_folder(folder: Path, content: str) -> Imported:
    path = folder / "promptfooconfig.yaml"
    path.write_text(content)
    return import_promptfoo(path)


def test_files_below_the_folder_are_read(folder: Path) -> None:
    names = "[file://tests/a.yaml, tests/b.yml, file://./tests/c.csv, file://tests/d.jsonl, file://tests/e.json]"
    found = in_folder(folder, f"prompts: [file://prompt.txt]\ntests: {names}\ndefaultTest: file://default.yaml\n")
    cases = taken(found)
    assert [prompt(case) for case in cases[::2]] == ["A yaml", "A yml", "A csv", "A lines", "A json"]
    assert [prompt(case) for case in cases[1::2]] == ["B yaml", "B yml", "B csv", "B lines", "B json"]
    assert {case.category for case in cases} == {"code"}
    assert left(found) == []


def test_a_case_of_another_file_has_its_place_there(folder: Path) -> None:
    found = in_folder(folder, "prompts: ['{{x}}']\ntests: file://tests/b.yml\n")
    assert only(found).place == f"{folder}/tests/b.yml:3"


def test_a_star_stands_for_any_part_of_a_name(folder: Path) -> None:
    found = in_folder(folder, "prompts: ['{{x}}']\ntests: file://tests/*.y*ml\n")
    assert [prompt(case) for case in taken(found)] == ["yaml", "yml"]


@pytest.mark.parametrize(
    "name",
    [
        "file:///etc/passwd.csv",
        "file://../secret.csv",
        "file://**/*.csv",
        "file://../*.csv",
        "file://link.csv",
        "file://gone.csv",
    ],
)
def test_a_file_elsewhere_is_not_read(folder: Path, name: str) -> None:
    project = folder / "project"
    project.mkdir()
    (folder / "secret.csv").write_text("x\nsecret\n")
    (project / "link.csv").symlink_to(folder / "secret.csv")
    found = in_folder(project, f"prompts: ['{{{{x}}}}']\ntests: {name}\n")
    assert taken(found) == ()
    assert "secret\n" not in str(found)
    [(place, _)] = left(found)
    assert place == f"{project}/promptfooconfig.yaml:2"


# --- Tests alone -----------------------------------------------------------------------------------


def test_tests_alone_are_asked_by_their_variable_prompt() -> None:
    assert prompt(only(import_promptfoo(lines({"vars": {"prompt": "Hi"}})))) == "Hi"


def test_tests_alone_can_be_given_prompts() -> None:
    found = import_promptfoo(text("- vars: {x: a}\n- vars: {x: b}\n", "tests.yaml"), ["Say {{x}}."])
    assert [prompt(case) for case in taken(found)] == ["Say a.", "Say b."]
    assert found.format == "promptfoo tests"


CSV = """\
x,__expected,__expected2,__description,__threshold,__metadata:category,__metadata:tags[],__prefix,__other
a,Paris,"contains-any: b, c",first,0.5,code,"p, q\\,r",Now: ,z
b,not-icontains:d,,,,,,,
c,fn: output == 1,,,,,,,
d,levenshtein(2): e,,,,,,,
"""


def rows(content: str = CSV) -> Imported:
    return import_promptfoo(text(content, "tests.csv"), ["{{x}}"])


def test_columns_of_csv_are_variables_and_what_begins_with_two_underscores() -> None:
    first, second, third = taken(rows())
    assert (prompt(first), first.threshold, first.category) == ("Now: a", 0.5, "code")
    assert first.metadata == {"description": "first", "tags": ["p", "q,r"]}
    assert first.checks[0] == Check(type="equals", value="Paris")
    assert second.checks == (Check(type="icontains", value="d", negated=True),)
    assert third.checks == (Check(type="levenshtein", value="e", options={"max": 2.0}),)


def test_what_is_left_of_csv_is_named_with_its_line() -> None:
    assert left(rows()) == [
        ("tests.csv:1", "The column `__other` is not used."),
        ("tests.csv:4", "Its `javascript` assertion runs code, which is not done here."),
    ]


@pytest.mark.parametrize(
    ("expected", "check"),
    [
        ("a: b", Check(type="equals", value="a: b")),
        ("answer-key: b", Check(type="equals", value="answer-key: b")),
        ("is-json", Check(type="is-json")),
        ("grade: is kind", Check(type="llm-rubric", value="is kind")),
        ("rouge-n: x", Check(type="rouge-n", value="x", threshold=0.75)),
        ("latency(500)", Check(type="latency", value=0.5)),
        ("contains-all: a,b", Check(type="contains-all", value=["a", "b"])),
        ("regex:^a\nb$", Check(type="regex", value="^a\nb$")),
    ],
)
def test_what_is_expected_is_a_type_and_its_value(expected: str, check: Check) -> None:
    assert only(rows(f'x,__expected\na,"{expected}"\n')).checks == (check,)


@pytest.mark.parametrize("expected", ["javascript: 1", "fn: 1", "eval: 1", "python: 1", "file://a.js", "file://a.py:f"])
def test_code_in_csv_is_refused_by_name(expected: str) -> None:
    kind = "python" if "py" in expected else "javascript"
    assert why(rows(f"x,__expected\na,{expected}\n")) == f"Its `{kind}` assertion runs code, which is not done here."


def test_settings_of_an_assertion_may_have_columns() -> None:
    file = "x,__expected1,__expected2,__config:__expected2:threshold,__metric\na,b,rouge-n: c,0.3,m\n"
    first, second = only(rows(file)).checks
    assert (first.threshold, second.threshold, first.name, second.name) == (None, 0.3, "m", "m")


# --- Hostile files ---------------------------------------------------------------------------------

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BOMB, "with its aliases expanded, the file has more than 500,000 values"),
        ("tests: [" + "[" * 3_000, "not valid YAML"),
        ("tests: &a [*a]\n", "nested more than 50 deep"),
        ("tests: \0\n", r"it contains the control character U\+0000"),
        ("tests: 1\ntests: 2\n", "`tests` is defined twice"),
        ("tests: !!python/object/apply:os.system [id]\n", "could not determine a constructor"),
        ("? {a: b}\n: 1\ntests: []\n", "a key must be a plain word"),
        ("", "is empty"),
    ],
    ids=lambda value: value[:15],
)
def test_a_hostile_configuration_is_refused_in_one_sentence(content: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        config(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["{" * 100_000, '{"tests": 1, "tests": 2}', '{"tests": [NaN]}', '{"tests": '])
def test_a_hostile_configuration_in_json_is_refused_in_one_sentence(content: str) -> None:
    with pytest.raises(ConfigError, match=r"^a\.json.* it ") as caught:
        config(content, "a.json")
    assert "\n" not in str(caught.value)


def test_a_file_of_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "tests.csv"
    with path.open("wb") as file:
        file.truncate(1_000_000_000)
    with pytest.raises(ConfigError, match="is larger than 50 MB"):
        import_promptfoo(path)


def test_what_is_not_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        import_promptfoo(Source(Path("a.yaml"), b"\xff\xfe"))
