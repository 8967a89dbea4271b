"""What a call costs by list price; what is not known stays unknown."""

from __future__ import annotations

import pytest

from router.core.errors import (
    AnswerTimeout,
    AuthenticationFailed,
    BadRequest,
    ConnectionFailed,
    ConnectionReset,
    ConnectTimeout,
    FirstTokenTimeout,
    ProviderError,
    RateLimited,
    ServerFailed,
    StreamCut,
)
from router.core.messages import Usage
from router.core.pricing import (
    Price,
    is_unbilled,
    listed_context,
    listed_cost,
)
from router.providers.embedded import INFO

MILLION = 1_000_000


def usage(prompt: int | None = MILLION, completion: int | None = MILLION, **rest: int) -> Usage:
    return Usage(prompt_tokens=prompt, completion_tokens=completion, **rest)


# --- Prices of our own -----------------------------------------------------------------------------

PLAIN = Price(input=3, output=15)
FULL = Price(input=3, output=15, cached_input=0.3, cache_write=3.75)


@pytest.mark.parametrize(
    ("price", "tokens", "dollars"),
    [
        pytest.param(PLAIN, usage(1000, 500), 0.0105, id="input and output"),
        pytest.param(PLAIN, usage(0, 0), 0, id="no tokens"),
        pytest.param(FULL, usage(MILLION, 0, cached_tokens=MILLION), 0.3, id="all read from the cache"),
        pytest.param(FULL, usage(MILLION, 0, cached_tokens=400_000), 0.6 * 3 + 0.4 * 0.3, id="a part of it"),
        pytest.param(FULL, usage(MILLION, 0, cache_write_tokens=MILLION), 3.75, id="written to the cache"),
        pytest.param(
            FULL,
            usage(MILLION, MILLION, cached_tokens=500_000, cache_write_tokens=200_000),
            0.3 * 3 + 0.5 * 0.3 + 0.2 * 3.75 + 15,
            id="some of each",
        ),
        pytest.param(PLAIN, usage(MILLION, 0, cached_tokens=MILLION), 3, id="no price for what the cache had"),
        pytest.param(PLAIN, usage(MILLION, 0, cache_write_tokens=MILLION), 3.75, id="no price for writing to it"),
        pytest.param(
            FULL,
            usage(MILLION, 0, cache_write_tokens=MILLION, cache_write_1h_tokens=400_000),
            0.6 * 3.75 + 0.4 * 6,
            id="a part of it for an hour",
        ),
        pytest.param(
            FULL,
            usage(MILLION, 0, cache_write_tokens=400_000, cache_write_1h_tokens=MILLION),
            0.6 * 3 + 0.4 * 6,
            id="more for an hour than was written",
        ),
        pytest.param(FULL, usage(10, 0, cached_tokens=MILLION), 0.3, id="more from the cache than was read"),
        pytest.param(Price(input=0, output=0, request=0.01), usage(), 0.01, id="each request"),
        pytest.param(Price(input=0, output=0), usage(), 0, id="free"),
    ],
)
def test_a_bill_is_the_sum_of_its_tokens(price: Price, tokens: Usage, dollars: float) -> None:
    assert price.cost_of(tokens) == pytest.approx(dollars)


@pytest.mark.parametrize("tokens", [Usage(), usage(None), usage(completion=None), Usage(cached_tokens=5)])
@pytest.mark.parametrize("price", [PLAIN, Price(input=0, output=0)], ids=["priced", "free"])
def test_what_was_not_counted_costs_an_unknown_sum(price: Price, tokens: Usage) -> None:
    assert price.cost_of(tokens) is None


def test_the_embedded_model_is_known_to_cost_nothing() -> None:
    assert INFO.price is not None and INFO.price.cost_of(usage(11, 7)) == 0


# --- Published prices ------------------------------------------------------------------------------

OPENAI = "https://api.openai.com/v1"
ANTHROPIC = "https://api.anthropic.com/v1"


@pytest.mark.parametrize(
    ("base_url", "model", "tokens", "dollars"),
    [
        # As their price pages said in November 2026.
        pytest.param(OPENAI, "gpt-4o-mini", usage(2000, 1000), (2000 * 0.15 + 1000 * 0.6) / MILLION, id="OpenAI"),
        pytest.param(
            OPENAI,
            "gpt-4o-mini",
            usage(2000, 1000, cached_tokens=1500),
            (500 * 0.15 + 1500 * 0.075 + 1000 * 0.6) / MILLION,
            id="OpenAI, cached",
        ),
        pytest.param(
            ANTHROPIC, "claude-sonnet-4-5", usage(2000, 1000), (2000 * 3 + 1000 * 15) / MILLION, id="Anthropic"
        ),
        pytest.param(
            ANTHROPIC,
            "claude-sonnet-4-5",
            usage(2000, 1000, cached_tokens=1200, cache_write_tokens=600),
            (200 * 3 + 1200 * 0.3 + 600 * 3.75 + 1000 * 15) / MILLION,
            id="Anthropic, read from and written to the cache",
        ),
    ],
)
def test_providers_that_publish_prices_for_people_are_looked_up(
    base_url: str, model: str, tokens: Usage, dollars: float
) -> None:
    assert listed_cost(base_url, model)(tokens) == pytest.approx(dollars)


@pytest.mark.parametrize(
    ("base_url", "model"),
    [
        pytest.param("http://127.0.0.1:8000/v1", "gpt-4o-mini", id="a host that nobody knows"),
        pytest.param(OPENAI, "no-such-model", id="a model that nobody knows"),
        pytest.param("", "", id="nothing"),
    ],
)
class TestUnknown:
    def test_it_has_no_bill(self, base_url: str, model: str) -> None:
        assert listed_cost(base_url, model)(usage(11, 7)) is None

    def test_it_has_no_context(self, base_url: str, model: str) -> None:
        assert listed_context(base_url, model) is None


@pytest.mark.parametrize("tokens", [Usage(), usage(None), usage(completion=None)])
def test_what_was_not_counted_has_no_published_price(tokens: Usage) -> None:
    assert listed_cost(OPENAI, "gpt-4o-mini")(tokens) is None


def test_what_is_cached_for_an_hour_costs_more_where_prices_are_published_too() -> None:
    cost_of = listed_cost("https://api.anthropic.com/v1", "claude-sonnet-4-5")
    for_minutes, for_an_hour = (
        cost_of(usage(1000, 0, cache_write_tokens=1000, cache_write_1h_tokens=tokens)) for tokens in (0, 1000)
    )
    assert (for_minutes, for_an_hour) == (pytest.approx(0.00375), pytest.approx(0.006))


def test_counts_that_do_not_add_up_have_no_bill() -> None:
    assert listed_cost(OPENAI, "gpt-4o-mini")(usage(10, 0, cached_tokens=1000)) is None


@pytest.mark.parametrize(("base_url", "model", "context"), [(OPENAI, "gpt-4o-mini", 128_000)])
def test_a_context_is_published_too(base_url: str, model: str, context: int) -> None:
    assert listed_context(base_url, model) == context


# --- Calls that failed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "plain", "insured"),
    [
        (ConnectionFailed("x"), True, True),
        (ConnectTimeout("x"), True, True),
        (BadRequest("x", status=400), True, True),
        (AuthenticationFailed("x", status=401), True, True),
        (RateLimited("x", status=429), True, True),
        (ServerFailed("x", status=408), False, True),
        (ServerFailed("x", status=500), False, True),
        (ServerFailed("x", status=503), False, True),
        (ServerFailed("x", status=200), False, False),
        (ServerFailed("x"), False, False),
        (ConnectionReset("x"), False, False),
        (FirstTokenTimeout("x"), False, False),
        (AnswerTimeout("x"), False, False),
        (StreamCut("x"), False, False),
        (BadRequest("x", status=302), False, False),
    ],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, ProviderError) else "",
)
def test_only_what_was_never_sent_or_was_refused_is_known_to_cost_nothing(
    error: ProviderError, plain: bool, insured: bool
) -> None:
    assert (is_unbilled(error, insured=False), is_unbilled(error, insured=True)) == (plain, insured)
