"""Logs of other tools: what is taken over, what stays unknown, and that nothing is stored twice."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from router.config.loading import load_config
from router.core.errors import InvalidRequest
from router.core.records import Observation, RequestSummary
from router.imports import FORMATS, Report, detect, import_log
from router.imports.failures import reason_of
from router.imports.reading import rows
from router.store import Store
from router.store.export import export

AT = 1_790_000_000.0

LITELLM = {
    "id": "c1", "trace_id": "t1", "call_type": "acompletion", "status": "success", "startTime": AT, "endTime": AT + 2,
    "completionStartTime": AT + 0.5, "custom_llm_provider": "openai", "model": "gpt-4o", "response_cost": 0.002,
    "prompt_tokens": 10, "completion_tokens": 20, "request_tags": ["work:code"], "messages": "a secret prompt",
}  # fmt: skip
FAILED = {
    "id": "c0", "status": "failure", "startTime": AT - 1, "endTime": AT - 0.1, "model": "gpt-4o-mini",
    "response_cost": 0, "prompt_tokens": 0, "completion_tokens": 0,
    "error_information": {"error_code": "429", "error_class": "RateLimitError"},
}  # fmt: skip
OPENROUTER = (
    "generation_id,created_at,cost_total,tokens_prompt,tokens_completion,model_permaslug,provider_name,variant,"
    "cancelled,finish_reason_normalized,generation_time_ms,time_to_first_token_ms\r\n"
    "gen-1,2026-09-21 14:13:20.000,0,10,20,z-ai/glm-5-20260211,Z.AI,free,false,stop,2000,500\r\n"
)
LANGFUSE = {
    "id": "o1", "traceId": "t1", "type": "GENERATION", "startTime": "2026-09-21T14:13:20Z",
    "endTime": "2026-09-21T14:13:22Z", "completionStartTime": "2026-09-21T14:13:20.500Z", "model": "gpt-4o",
    "level": "DEFAULT", "usageDetails": {"input": 6, "input_cached_tokens": 4, "output": 20, "total": 30},
    "costDetails": {"total": 0.002}, "input": "a secret prompt",
}  # fmt: skip
HELICONE = {
    "request_id": "r1", "request_created_at": "2026-09-21T14:13:20Z", "response_status": 200, "provider": "OPENAI",
    "request_model": "gpt-4o", "delay_ms": 2000, "time_to_first_token": 500, "prompt_tokens": 10,
    "completion_tokens": 20, "costUSD": 0.002, "request_body": {"messages": "a secret prompt"},
}  # fmt: skip
TABLE = "started,model,provider,latency,ttft,cost,prompt_tokens,completion_tokens\n2026-09-21T16:13:20+02:00,gpt-4o,openai,2,.5,.002,10,20\n"  # noqa: E501


def otlp(**attributes: Any) -> dict[str, Any]:
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue"}
    span = {
        "traceId": "a" * 32, "spanId": "b" * 16, "name": "chat", "startTimeUnixNano": str(int(AT * 1e9)),
        "endTimeUnixNano": str(int((AT + 2) * 1e9)),
        "attributes": [{"key": name, "value": {kinds[type(each)]: each}} for name, each in attributes.items()],
    }  # fmt: skip
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


OTEL = otlp(**{
    "gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 20, "gen_ai.usage.cost": 0.002,
    "gen_ai.response.time_to_first_chunk": 0.5, "gen_ai.prompt": "a secret prompt",
})  # fmt: skip
OPENINFERENCE = otlp(**{
    "openinference.span.kind": "LLM", "llm.model_name": "gpt-4o", "llm.provider": "openai",
    "llm.token_count.prompt": 10, "llm.token_count.completion": 20, "llm.cost.total": 0.002,
})  # fmt: skip

SAMPLES = {
    "litellm": json.dumps(LITELLM),
    "openrouter": OPENROUTER,
    "langfuse": json.dumps([LANGFUSE]),
    "helicone": json.dumps({**HELICONE}),
    "openinference": json.dumps(OPENINFERENCE),
    "otel": json.dumps(OTEL),
    "csv": TABLE,
}


class Imports:
    """A store, and what is imported into it."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.file = folder / "log"
        self.store = Store(folder / "lab.sqlite")
        self.config = load_config(config)

    def take(self, data: str | bytes, form: str | None = None, **options: Any) -> Report:
        self.file.write_bytes(data.encode() if isinstance(data, str) else data)
        found = form or detect(self.file)
        assert found is not None
        return import_log(self.file, found, self.store, self.config, **options)

    def requests(self) -> list[RequestSummary]:
        return self.store.requests.get(range(1, 100))

    def attempts(self) -> list[Observation]:
        return self.store.observations.get(range(1, 100))


@pytest.fixture
def imports(tmp_path: Path, config: Path) -> Iterator[Imports]:
    found = Imports(tmp_path, config)
    with closing(found.store):
        yield found


def test_every_format_has_a_sample() -> None:
    assert SAMPLES.keys() == FORMATS.keys()


@pytest.mark.parametrize("form", SAMPLES)
def test_a_format_is_found_out(form: str, imports: Imports) -> None:
    assert imports.take(SAMPLES[form]).form == form


@pytest.mark.parametrize("form", SAMPLES)
def test_time_latency_and_tokens_are_taken_over(form: str, imports: Imports) -> None:
    imports.take(SAMPLES[form])
    [record] = imports.attempts()
    usage = record.attempt.usage
    assert usage is not None
    assert (record.attempt.started, record.attempt.latency) == (AT, 2.0)
    assert (usage.prompt_tokens, usage.completion_tokens) == (10, 20)


@pytest.mark.parametrize("form", [form for form in SAMPLES if form != "openinference"])
def test_the_first_token_is_taken_over_in_seconds(form: str, imports: Imports) -> None:
    imports.take(SAMPLES[form])
    assert imports.requests()[0].ttft == 0.5


@pytest.mark.parametrize("form", SAMPLES)
def test_an_import_is_marked_with_its_source(form: str, imports: Imports) -> None:
    imports.take(SAMPLES[form])
    [summary] = imports.requests()
    assert (summary.source, summary.origin.tags) == ("import", (f"from={form}",))


@pytest.mark.parametrize("form", SAMPLES)
def test_no_prompt_is_stored(form: str, imports: Imports) -> None:
    imports.take(SAMPLES[form])
    imports.store.close()
    assert b"secret" not in b"".join(path.read_bytes() for path in imports.file.parent.glob("lab.sqlite*"))


@pytest.mark.parametrize("form", SAMPLES)
def test_the_same_file_again_adds_nothing(form: str, imports: Imports) -> None:
    imports.take(SAMPLES[form])
    again = imports.take(SAMPLES[form])
    assert (again.requests, again.stored, len(imports.requests())) == (0, 1, 1)


def test_what_was_summarized_since_is_not_added_again(imports: Imports) -> None:
    imports.take(SAMPLES["litellm"])
    with imports.store.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM requests")
        connection.exec_driver_sql("DELETE FROM observations")
    assert imports.take(SAMPLES["litellm"]).stored == 1


def test_a_dry_run_stores_nothing(imports: Imports) -> None:
    report = imports.take(SAMPLES["litellm"], dry_run=True)
    assert (report.requests, imports.requests()) == (1, [])


def test_a_failure_and_its_fallback_are_one_request_in_order(imports: Imports) -> None:
    imports.take("\n".join(json.dumps(each) for each in (LITELLM, {**LITELLM, **FAILED})))
    [summary] = imports.requests()
    steps = [(step.model, step.place, step.reason) for step in summary.path]
    assert steps == [("openai:gpt-4o-mini", 0, "rate_limited"), ("openai:gpt-4o", 1, None)]
    assert (summary.latency, summary.place) == (3.0, 1)


def test_failures_with_the_id_of_their_request_are_attempts_each(imports: Imports) -> None:
    failed = {**LITELLM, **FAILED}
    again = {**failed, "startTime": AT - 0.1, "endTime": AT}
    rows = [json.dumps(each) for each in (failed, again, LITELLM)]
    assert (imports.take("\n".join(rows)).attempts, imports.take("\n".join(rows)).attempts) == (3, 0)
    assert [(step.place, step.reason) for step in imports.requests()[0].path][-1] == (1, None)
    assert [record.attempt.number for record in imports.attempts()] == [1, 2, 1]


def test_a_failure_before_a_model_was_chosen_is_of_the_group_that_was_asked(imports: Imports) -> None:
    imports.take(json.dumps({**LITELLM, **FAILED, "model": "", "model_group": "fast"}))
    assert imports.attempts()[0].attempt.model.endswith("fast")


@pytest.mark.parametrize("form", ["openrouter", "helicone"])
def test_a_first_token_at_once_is_unknown(form: str, imports: Imports) -> None:
    imports.take(SAMPLES[form].replace(",500", ",0").replace(": 500", ': "0"'))
    assert (imports.requests()[0].ttft, imports.requests()[0].latency) == (None, 2.0)


def test_an_answer_ends_its_request_though_the_trace_goes_on(imports: Imports) -> None:
    later = {**LITELLM, "id": "c2", "startTime": AT + 3, "endTime": AT + 4}
    assert imports.take("\n".join(map(json.dumps, (LITELLM, later)))).requests == 2


def test_what_a_row_lacks_is_unknown(imports: Imports) -> None:
    imports.take(f"started,model\n{AT},gpt-4o\n")
    [summary], [record] = imports.requests(), imports.attempts()
    assert (summary.latency, summary.ttft, summary.cost, summary.category, record.attempt.usage) == (None,) * 5


def test_a_zero_that_means_no_price_is_no_cost(imports: Imports) -> None:
    imports.take(json.dumps({**LITELLM, "response_cost": 0}))
    assert imports.requests()[0].cost is None


def test_a_free_generation_costs_nothing(imports: Imports) -> None:
    imports.take(OPENROUTER)
    assert imports.requests()[0].cost == 0


def test_a_generation_on_the_users_own_key_costs_both_bills(imports: Imports) -> None:
    head, row, _ = OPENROUTER.split("\r\n")
    imports.take(f"{head},byok_usage_inference\n{row.replace(',0,', ',0.0001,', 1)},0.002\n")
    assert imports.requests()[0].cost == pytest.approx(0.0021)


@pytest.mark.parametrize("form", ["langfuse", "helicone", "litellm"])
def test_the_answer_of_an_api_is_a_row_for_each_in_its_list(form: str, imports: Imports) -> None:
    row = json.loads(SAMPLES[form])
    assert imports.take(json.dumps({"data": row if isinstance(row, list) else [row], "total": 1}, indent=1)).rows == 1
    assert len(imports.requests()) == 1


def test_a_list_of_an_apis_pages_is_read(imports: Imports) -> None:
    pages = [{"data": [LITELLM]}, {"data": [{**LITELLM, "id": "c2", "trace_id": "t2"}]}, {"data": []}]
    assert imports.take(json.dumps(pages)).requests == 2


def test_a_file_in_utf_16_is_refused_with_the_way_out(imports: Imports) -> None:
    with pytest.raises(InvalidRequest, match="Save it as UTF-8"):
        imports.take(OPENROUTER.encode("utf-16"), "openrouter")


def usage_of(imports: Imports) -> tuple[int | None, ...]:
    [record] = imports.attempts()
    found = record.attempt.usage
    assert found is not None
    return (
        *(found.prompt_tokens, found.completion_tokens),
        *(found.cached_tokens, found.cache_write_tokens, found.reasoning_tokens),
    )


def test_tokens_that_helicone_keeps_apart_are_parts_of_the_whole(imports: Imports) -> None:
    apart = {"prompt_cache_read_tokens": 100, "prompt_cache_write_tokens": 30, "reasoning_tokens": 5}
    imports.take(json.dumps({**HELICONE, **apart, "provider": "ANTHROPIC"}))
    assert usage_of(imports) == (140, 25, 100, 30, 5)


@pytest.mark.parametrize("provider", ["OPENAI", "AZURE"])
def test_tokens_that_openai_wrote_to_a_cache_are_among_those_of_the_prompt_already(
    imports: Imports, provider: str
) -> None:
    apart = {"prompt_cache_read_tokens": 100, "prompt_cache_write_tokens": 30, "prompt_tokens": 40}
    imports.take(json.dumps({**HELICONE, **apart, "provider": provider}))
    assert usage_of(imports)[:4] == (140, 20, 100, 30)


@pytest.mark.parametrize("name", ["timeToFirstToken", "time_to_first_token"])
def test_langfuse_may_tell_the_seconds_to_the_first_token_alone(imports: Imports, name: str) -> None:
    row = {key: value for key, value in LANGFUSE.items() if key != "completionStartTime"}
    imports.take(json.dumps({**row, name: 0.5}))
    assert imports.requests()[0].ttft == 0.5


def test_cached_tokens_that_langfuse_was_told_twice_count_once(imports: Imports) -> None:
    told = {"input": 10, "output": 20, "total": 30, "cache_read_input_tokens": 4}
    imports.take(json.dumps({**LANGFUSE, "usageDetails": told}))
    assert usage_of(imports)[:3] == (10, 20, 4)


def test_tokens_that_litellm_saw_written_to_a_cache_are_taken_over(imports: Imports) -> None:
    used = {"cache_creation_input_tokens": 6, "cache_read_input_tokens": 2}
    imports.take(json.dumps({**LITELLM, "metadata": {"usage_object": used}}))
    assert usage_of(imports)[2:4] == (2, 6)


@pytest.mark.parametrize("kind", ["embedding", "rerank"])
def test_what_openllmetry_calls_no_chat_is_no_call(kind: str, imports: Imports) -> None:
    report = imports.take(json.dumps(otlp(**{"llm.request.type": kind, "gen_ai.request.model": "e"})))
    assert (report.requests, report.others) == (0, 1)


def test_spans_of_vercels_ai_sdk_have_its_first_chunk_and_the_plain_provider(imports: Imports) -> None:
    provider = imports.config.default_provider
    sent = {"gen_ai.system": f"{provider}.chat", "gen_ai.request.model": "gpt-4o", "ai.response.msToFirstChunk": 250.0}
    imports.take(json.dumps(otlp(**sent)))
    [record] = imports.attempts()
    assert (record.attempt.model, record.attempt.provider, record.attempt.ttft) == ("gpt-4o", provider, 0.25)


def test_the_category_comes_from_a_tag(imports: Imports) -> None:
    imports.take(SAMPLES["litellm"], category_from="work")
    assert imports.requests()[0].category == "code"


def test_a_call_that_is_told_by_its_parts_counts_once(imports: Imports) -> None:
    outer, inner = json.loads(json.dumps(OTEL)), json.loads(json.dumps(OTEL))
    inner["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= {"spanId": "c" * 16, "parentSpanId": "b" * 16}
    assert imports.take("\n".join(map(json.dumps, (outer, inner)))).attempts == 1


HOSTILE = {
    "deep JSON": '{"a":' * 100_000,
    "no number": json.dumps({**LITELLM, "id": "x", "startTime": math.nan}),
    "a huge number": json.dumps({**LITELLM, "id": "x"}).replace(str(AT), "1e400"),
    "NUL": "\0\0",
    "a formula as model": json.dumps({**LITELLM, "id": "x", "trace_id": "x", "model": "=cmd()"}),
    "a list": "[1]",
}


@pytest.mark.parametrize("bad", HOSTILE)
def test_a_bad_row_is_counted_and_keeps_no_other_out(bad: str, imports: Imports) -> None:
    report = imports.take(f"{SAMPLES['litellm']}\n{HOSTILE[bad]}\n", "litellm")
    assert (report.requests, report.refused.total()) == (1, 1)


def test_a_gzipped_file_with_a_mark_and_windows_lines_is_read(imports: Imports) -> None:
    assert imports.take(gzip.compress(b"\xef\xbb\xbf" + OPENROUTER.encode())).requests == 1


@pytest.mark.parametrize(
    ("status", "said", "reason"),
    [
        (400, "ContextWindowExceededError", "context_length_exceeded"),
        (429, None, "rate_limited"),
        (None, "Error code: 401 - no", "authentication_failed"),
        (None, "openai.APITimeoutError", "answer_timeout"),
        (418, None, "bad_request"),
        (None, "who knows", "server_failed"),
    ],
)
def test_an_error_has_the_nearest_kind(status: int | None, said: str | None, reason: str) -> None:
    assert reason_of(status, said) == reason


def test_an_export_as_otlp_reads_back_the_same(imports: Imports, tmp_path: Path, config: Path) -> None:
    imports.take("\n".join(json.dumps(each) for each in (LITELLM, {**LITELLM, **FAILED})), category="code")
    with imports.file.open("wb") as file:
        export(imports.store.database, file, "otlp", "attempts")
    (tmp_path / "other").mkdir()
    other = Imports(tmp_path / "other", config)
    with closing(other.store):
        other.take(imports.file.read_bytes())
        assert [each.attempt for each in other.attempts()] == [each.attempt for each in imports.attempts()]
        [was], [now] = imports.requests(), other.requests()
        assert (now.path, now.latency, now.ttft, now.cost) == (was.path, was.latency, was.ttft, was.cost)


def test_a_long_cell_is_read_and_the_limit_of_csv_for_others_stays(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    path = tmp_path / "log.csv"
    path.write_text(f"{TABLE.splitlines()[0]},prompt\n{TABLE.splitlines()[1]},{'x' * 200_000}\n", encoding="utf-8")
    [row] = rows(path)
    assert (len((row.values or {})["prompt"]), csv.field_size_limit()) == (200_000, before)
