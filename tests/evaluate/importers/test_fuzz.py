"""Any file whatsoever is a suite that can be written and read again, or one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.errors import ConfigError
from router.evaluate.importers import read_suite
from tests.evaluate.generated import TRICKY
from tests.evaluate.importers.samples import taken
from tests.evaluate.importers.test_benchmarks import COMMAS, DUCKS, FIND_ZERO
from tests.evaluate.importers.test_bfcl import ANSWER, QUESTION
from tests.evaluate.importers.test_promptfoo import CONFIG, CSV, DEFAULT
from tests.evaluate.importers.test_samples import CAPITAL, CHAT
from tests.evaluate.known import GRADERS

SET = "[{type: assert-set, assert: [{type: equals, value: a}]}]"
OWN = "name: a\nchecks: [equals]\ncases:\n  - {prompt: x, target: y, checks: [{number: {value: 1, weight: 2}}]}\n"
RECORDS = (COMMAS, DUCKS, FIND_ZERO, {**QUESTION, **ANSWER}, CAPITAL, {"input": CHAT, "ideal": ["a"]}, {"prompt": "a"})
FILES = (
    (CONFIG, ".yaml"),
    (f"prompts: ['{{{{x}}}}']\n{DEFAULT}\ntests: [{{vars: {{x: a}}, assert: {SET}}}]\n", ".yaml"),
    (OWN, ".yml"),
    ("- vars: {prompt: [a, b]}\n  threshold: 0.5\n", ".yml"),
    (CSV, ".csv"),
    ('input,target,choices,metadata\nx,A,"a,b","{""a"": 1}"\n', ".csv"),
    *((f"{json.dumps(record)}\n" * 2, ".jsonl") for record in RECORDS),
    *((json.dumps([record]), ".json") for record in RECORDS),
)
HOSTILE = (
    *TRICKY,
    *(
        "\0",
        "\ud800",
        '"\\ud800"',
        '"\\u0000"',
        "NaN",
        "1e999",
        "9" * 400,
        "[" * 2_000,
        "{" * 2_000,
        "*a",
        "&a [*a]",
        "<<: *a",
    ),
    *(
        "{{ x | y }}",
        "{% if %}",
        "{{env.HOME}}",
        "file:///etc/passwd",
        "../../x",
        "!!python/name:os.path",
        "? [x]\n",
        "\n---\n",
    ),
    *(
        "null",
        "[]",
        "{}",
        "true",
        "-1",
        '""',
        "'",
        '"',
        ",",
        ";",
        "\t",
        "\r\n",
        "- ",
        ": ",
        "}",
        "]",
        "$ref: '#/prompts'",
        "PAR1",
    ),
)

file_with_hostile_parts = st.sampled_from(FILES).flatmap(
    lambda file: st.tuples(
        st.builds(
            lambda at, part, length: file[0][:at] + part + file[0][at + length :],
            st.integers(0, len(file[0])),
            st.sampled_from(HOSTILE) | st.sampled_from(file[0].split()),
            st.integers(0, 12),
        ),
        st.just(file[1]),
    )
)
any_text = st.tuples(
    st.text(max_size=200), st.sampled_from([".yaml", ".json", ".jsonl", ".csv", ".tsv", ".parquet", ""])
)


@given(file=file_with_hostile_parts | any_text)
@settings(max_examples=150)
def test_any_file_is_a_suite_or_a_sentence(file: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / f"any{file[1]}"
    path.write_bytes(file[0].encode(errors="surrogatepass"))
    try:
        found = read_suite(path, GRADERS)
    except ConfigError as error:
        assert "\n" not in str(error) and len(str(error)) < 2_000
        return
    taken(found)
    assert len(found.suite.cases) <= found.found
    assert found.found == len(found.suite.cases) or found.left
    for left in found.left:
        assert left.place and left.what.endswith((".", "?")) and left.fix.endswith(".")
