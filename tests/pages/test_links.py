"""Links to pages: whatever a parameter says, the page is drawn, and says what it shows instead where that matters."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from router.lab import close_lab
from tests.pages.conftest import PAGES, look, texts
from tests.traffic import write_traffic

MODELS_YAML = """
providers:
  lan: {protocol: openai, base_url: http://127.0.0.1:9}
default_provider: lan
chains:
  code: [one, two]
"""

PARAMETERS = {
    "chat.py": ("c", "category", "prompt"),
    "compare.py": ("comparison", "blind"),
    "dashboard.py": (
        "range", "from", "to", "zone", "request", "categories", "models", "providers", "places", "reasons",
        "statuses", "sources", "outcomes", "faults", "refresh",
    ),
    "evaluate.py": ("run",),
    "chains.py": ("category",),
}  # fmt: skip

RIGHT = [
    "Exact",
    "All",
    "Today",
    "2026-09-14T12:00",
    "Europe/Berlin",
    "code",
    "chat",
    "failed",
    "true",
    "0" * 12,
    "429",
]
WRONG = [
    "", " ", "0", "-1", "1e999", "nan", "None", "null", "[]", "{}", "../..", "%00", "\0", "\x7f", "\u202e", "🙂",
    "<script>alert(1)</script>", "' OR 1=1 --", ":red[x]", "$x$", "![x](http://127.0.0.1:9/x)", "x" * 5000,
    "0001-01-01T00:00", "9999-12-31T23:59", "9999-12-31T23:59:59.999999+14:00", "2026-02-30", "-0001-01-01",
    "1969-12-31T23:59", "2026-09-14T12:00Z", "20260914T120000", "Exact ", "exact", "/etc/localtime", "Etc/GMT+14",
]  # fmt: skip
VALUE = st.sampled_from(RIGHT) | st.sampled_from(WRONG) | st.text(max_size=20)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One for all examples: none of them changes what is stored."""
    home = tmp_path_factory.mktemp("home")
    (home / ".lab").mkdir(mode=0o700)
    write_traffic(home / ".lab" / "lab.sqlite", 100, until=time.time() - 60)
    (home / "models.yaml").write_text(MODELS_YAML, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(home)
        patched.setenv("FALLBACK_LAB_CONFIG", str(home / "models.yaml"))
        yield home
        close_lab()


def opened(page: str, link: dict[str, str | list[str]]) -> AppTest:
    app = AppTest.from_file(PAGES / "main.py", default_timeout=60)
    app.switch_page(page)
    for name, value in link.items():
        app.query_params[name] = value
    return look(app)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("page", PARAMETERS)
def test_no_link_makes_a_page_fail(page: str) -> None:
    values = VALUE | st.lists(VALUE, min_size=1, max_size=3)

    @settings(max_examples=20)
    @given(st.dictionaries(st.sampled_from(PARAMETERS[page]), values))
    def check(link: dict[str, str | list[str]]) -> None:
        look(opened(page, link))

    check()


@pytest.mark.usefixtures("home")
def test_no_exact_range_makes_the_dashboard_fail() -> None:
    @settings(max_examples=20)
    @given(VALUE, VALUE, VALUE)
    @example("0001-01-01T00:00", "9999-12-31T23:59", "UTC")
    @example("1970-01-02T00:00", "2099-12-31T00:00", "Pacific/Kiritimati")
    def check(since: str, until: str, zone: str) -> None:
        look(opened("dashboard.py", {"range": "Exact", "from": since, "to": until, "zone": zone}))

    check()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("link", "said"),
    [
        ({"range": "fortnight"}, "The link's range `fortnight` is unknown. 7 d is shown."),
        (
            {"range": "Exact", "from": "0001-01-01T00:00"},
            "The link's `from=0001-01-01T00:00` is not a time between 1970 and 2099, such as 2026-01-02T00:00.",
        ),
    ],
    ids=["range", "from"],
)
def test_what_is_shown_instead_of_a_wrong_time_is_said_until_another_is_chosen(link: dict[str, str], said: str) -> None:
    app = opened("dashboard.py", dict(link))
    assert said in "\n".join(texts(look(app)))
    app.button_group(key="range").set_value("24 h")
    assert said not in "\n".join(texts(look(app)))
