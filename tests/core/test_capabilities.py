"""What is known of a model: whose word counts, what a server's list says, and what a request needs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.capabilities import MOST_CHARACTERS_PER_TOKEN, ModelInfo, needs_of
from router.core.errors import InvalidAnswer
from router.core.pricing import Price
from router.core.requests import Request
from router.providers.model_list import read_models

# --- Whose word counts -----------------------------------------------------------------------------

KNOWN = ModelInfo(context=1000, tools=True, images=True, files=True, parameters=("seed",), expires="2027-01-01")


def test_facts_over_others_win() -> None:
    assert ModelInfo(context=9, tools=False).over(KNOWN) == msgspec.structs.replace(KNOWN, context=9, tools=False)


def test_facts_that_are_silent_leave_the_others_in_force() -> None:
    assert ModelInfo().over(KNOWN) == KNOWN


def test_facts_over_nothing_stay_as_they_are() -> None:
    assert KNOWN.over(ModelInfo()) == KNOWN


# --- What a request needs --------------------------------------------------------------------------

TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}


def asking(*parts: Any, **rest: Any) -> Request:
    return Request(messages=({"role": "user", "content": parts[0] if len(parts) == 1 else list(parts)},), **rest)


TEXT: dict[str, Any] = {"type": "text", "text": "What is it?"}
IMAGE: dict[str, Any] = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
FILE: dict[str, Any] = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}

ASKED = {
    "no_tools": asking("Look!", tools=(TOOL,)),
    "no_images": asking(TEXT, IMAGE),
    "no_files": asking(TEXT, FILE),
    "context_too_small": asking("a" * (1000 * MOST_CHARACTERS_PER_TOKEN + 1)),
}
LACKING = {
    "no_tools": ModelInfo(tools=False),
    "no_images": ModelInfo(images=False),
    "no_files": ModelInfo(files=False),
    "context_too_small": ModelInfo(context=1000),
}
each_need = pytest.mark.parametrize("reason", ASKED)


def reason_against(request: Request, info: ModelInfo) -> str | None:
    unmet = needs_of(request).unmet_by(info)
    return unmet[0] if unmet else None


@each_need
def test_a_model_known_to_lack_it_does_not_do(reason: str) -> None:
    assert reason_against(ASKED[reason], LACKING[reason]) == reason


@each_need
def test_a_model_that_nothing_is_known_of_does(reason: str) -> None:
    assert reason_against(ASKED[reason], ModelInfo()) is None


@each_need
def test_a_model_known_to_have_it_does(reason: str) -> None:
    able = ModelInfo(context=10**6, tools=True, images=True, files=True)
    assert reason_against(ASKED[reason], able) is None


@each_need
def test_what_a_model_lacks_is_no_matter_where_it_is_not_asked_for(reason: str) -> None:
    assert reason_against(asking("Hello?"), LACKING[reason]) is None


@each_need
def test_why_it_does_not_do_is_told_in_words(reason: str) -> None:
    unmet = needs_of(ASKED[reason]).unmet_by(LACKING[reason])
    assert unmet is not None and unmet[1] and reason not in unmet[1]


@pytest.mark.parametrize(
    ("characters", "fits"), [(1000 * MOST_CHARACTERS_PER_TOKEN, True), (1000 * MOST_CHARACTERS_PER_TOKEN + 1, False)]
)
def test_a_prompt_is_too_long_only_where_no_tokenizer_could_make_it_fit(characters: int, fits: bool) -> None:
    assert (reason_against(asking("a" * characters), ModelInfo(context=1000)) is None) == fits


def test_the_length_is_that_of_all_messages() -> None:
    half = {"role": "user", "content": "a" * 4000}
    assert reason_against(Request(messages=(half, half)), ModelInfo(context=1000)) == "context_too_small"


def test_the_bytes_of_an_image_are_no_part_of_the_length() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    assert needs_of(asking(TEXT, image)).characters == len(TEXT["text"])


def test_a_file_of_text_needs_no_model_that_reads_files() -> None:
    file = {"type": "file", "file": {"filename": "a", "file_data": "data:text/plain;base64,aGVsbG8="}}
    needs = needs_of(asking(TEXT, file))
    assert (needs.files, needs.characters) == (False, len(TEXT["text"] + "a:\n\nhello"))


def test_an_image_of_an_earlier_turn_is_needed_too() -> None:
    messages = ({"role": "user", "content": [IMAGE]}, {"role": "user", "content": "And now?"})
    assert needs_of(Request(messages=messages)).images


@pytest.mark.parametrize("content", [None, 5, [], [None, 5, "text"], [{}], [{"type": "text", "text": None}], {}])
def test_content_of_an_odd_shape_needs_nothing(content: object) -> None:
    needs = needs_of(Request(messages=({"role": "user", "content": content},)))
    assert (needs.tools, needs.images, needs.files, needs.characters) == (False, False, False, 0)


# --- What servers list -----------------------------------------------------------------------------


def only(model: object) -> ModelInfo:
    """What is read of the one model of a list."""
    return read_models({"data": [model]})["m"]


OPENROUTER = {
    "id": "m",
    "context_length": 202752,
    "architecture": {"modality": "text+image->text", "input_modalities": ["text", "image"]},
    "pricing": {
        "prompt": "0.0000006",
        "completion": "0.0000022",
        "request": "0.01",
        "image": "0",
        "input_cache_read": "0.00000011",
        "input_cache_write": "0.00000075",
    },
    "supported_parameters": ["max_tokens", "temperature", "tools"],
    "expiration_date": "2027-03-01",
}


def test_openrouter_s_list_tells_most() -> None:
    assert msgspec.structs.replace(only(OPENROUTER), price=None) == ModelInfo(
        context=202752,
        tools=True,
        images=True,
        parameters=("max_tokens", "temperature", "tools"),
        expires="2027-03-01",
    )


def test_openrouter_s_prices_a_token_are_dollars_a_million() -> None:
    price = only(OPENROUTER).price
    assert price is not None
    found = (price.input, price.output, price.cached_input, price.cache_write, price.request)
    assert found == pytest.approx((0.6, 2.2, 0.11, 0.75, 0.01))


def test_a_cache_price_that_is_not_listed_is_not_0() -> None:
    price = only({**OPENROUTER, "pricing": {"prompt": "1e-6", "completion": "2e-6"}}).price
    assert price is not None and (price.cached_input, price.cache_write) == (None, None)


@pytest.mark.parametrize(
    "pricing",
    [
        pytest.param({"prompt": "-1", "completion": "-1"}, id="it depends"),
        pytest.param({"prompt": "1e-6"}, id="no output"),
        pytest.param({"completion": "1e-6"}, id="no input"),
        pytest.param({"prompt": "free", "completion": "free"}, id="words"),
        pytest.param({"prompt": None, "completion": None}, id="null"),
        pytest.param({"prompt": "nan", "completion": "inf"}, id="no finite number"),
        pytest.param({"prompt": "1e308", "completion": "1e308"}, id="no finite number a million tokens"),
        pytest.param([], id="a list"),
        pytest.param(None, id="nothing"),
    ],
)
def test_a_price_that_cannot_be_read_is_unknown(pricing: object) -> None:
    assert only({"id": "m", "pricing": pricing}).price is None


def test_a_free_model_s_price_is_0() -> None:
    assert only({"id": "m", "pricing": {"prompt": "0", "completion": "0"}}).price == Price(input=0, output=0)


def test_a_model_whose_parameters_name_no_tools_takes_none() -> None:
    assert only({"id": "m", "supported_parameters": ["temperature"]}).tools is False


def test_a_model_whose_parameters_are_an_empty_list_is_unknown() -> None:
    assert only({"id": "m", "supported_parameters": []}).tools is None


@pytest.mark.parametrize(
    ("model", "context"),
    [
        pytest.param({"object": "model", "owned_by": "openai", "created": 1}, None, id="OpenAI"),
        pytest.param(
            {"type": "model", "display_name": "M", "created_at": "2026-01-01T00:00:00Z", "max_input_tokens": 200000},
            200000,
            id="Anthropic",
        ),
        pytest.param({"type": "model", "display_name": "M"}, None, id="Anthropic, before it told the context"),
        pytest.param({"object": "model", "owned_by": "vllm", "max_model_len": 40960}, 40960, id="vLLM"),
        pytest.param({"object": "model", "meta": {"n_ctx": 8192, "n_ctx_train": 32768}}, 8192, id="llama.cpp"),
        pytest.param({"object": "model", "meta": None}, None, id="llama.cpp without a model loaded"),
    ],
)
def test_other_servers_tell_the_context_at_most(model: dict[str, Any], context: int | None) -> None:
    assert only({"id": "m", **model}) == ModelInfo(context=context)


@pytest.mark.parametrize("context", [0, -1, 1.5, "x", True, None, [], 2**60])
def test_a_context_that_is_no_count_is_unknown(context: object) -> None:
    assert only({"id": "m", "context_length": context}).context is None


@pytest.mark.parametrize(
    ("written", "expires"),
    [("2027-03-01", "2027-03-01"), ("2027-03-01T12:00:00Z", "2027-03-01"), ("soon", None), (5, None), (None, None)],
)
def test_an_expiry_is_a_date_or_unknown(written: object, expires: str | None) -> None:
    assert only({"id": "m", "expiration_date": written}).expires == expires


@pytest.mark.parametrize("model", [None, 5, "m", [], {}, {"id": None}, {"id": ""}, {"id": 5}, {"name": "m"}])
def test_a_model_without_a_name_is_skipped(model: object) -> None:
    assert list(read_models({"data": [model, {"id": "m"}]})) == ["m"]


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, {"data": "m"}, {"models": []}, {"error": {}}])
def test_a_body_without_a_list_is_no_answer(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnswer):
        read_models(body)


def test_an_empty_list_is_a_list() -> None:
    assert read_models({"data": []}) == {}


_ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["1e308", "tools", "-1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_FIELDS = [*OPENROUTER, "max_model_len", "max_input_tokens", "meta"]


@given(st.dictionaries(st.sampled_from(_FIELDS), _ODD), st.dictionaries(st.sampled_from(list(OPENROUTER)), _ODD))
def test_whatever_a_list_holds_is_read_without_a_crash(model: dict[str, Any], prices: dict[str, Any]) -> None:
    found = read_models({"data": [{**model, "id": "m", "pricing": prices, "architecture": model, "meta": model}]})
    assert msgspec.json.decode(msgspec.json.encode(found["m"]), type=ModelInfo) == found["m"]


def test_a_name_of_a_length_that_none_has_is_skipped() -> None:
    found = read_models({"data": [{"id": "x" * 201}, {"id": "m", "supported_parameters": ["y" * 201, "tools"] * 500}]})
    assert list(found) == ["m"]
    assert found["m"].parameters == ("tools",) * 100
