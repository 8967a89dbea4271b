"""What a model wrote is drawn as meant: no directives, prices as prices, mathematics as mathematics, code as is."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable

import pytest
import streamlit
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.pages.conftest import as_read

from components.shared.markdown import faithful, label

STREAMLITS_OWN = re.compile(r":material/|(?<!\\):(?!color\[\\)[^\s|-]|:[+-]1:|:[a-z][\w+-]*:", re.IGNORECASE)
"""Icons, inline directives with brackets and without, emoji shortcodes."""
TYPOGRAPHY = re.compile(r"(?:^|\s)(?:<->|->|<-|--|>=|<=|~=)(?:\s|$)")
"""What Streamlit replaces by an arrow, a dash or a sign."""

FENCE_MARK = st.builds(lambda mark, count: mark * count, st.sampled_from("`~"), st.integers(3, 6))
CODE_LINES = st.lists(st.text("ab $\\()[]:_/-+1{}#`~", max_size=20), max_size=6)
PROSE = st.text("ab1 $\\()[]:.\n", max_size=40)


# --- Prices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $10.",
        "from $5 to $10",
        "$5-$10",
        "US$5 and US$6",
        "$1.5k or $2k",
        "$5/month and $10/month",
        "$10 apples cost $20 each",
        "$5 USD for one, $6 for the other",
        "- $5\n- $10",
        "$HOME and $PATH",
        "3$ and 4$",
        "a \\$5 b $6",
    ],
)
def test_money_is_no_mathematics(text: str) -> None:
    assert re.search(r"(?<!\\)\$", faithful(text)) is None
    assert as_read(faithful(text)) == text.replace("\\$", "$")


def test_two_dollars_before_two_prices_are_no_mathematics() -> None:
    assert "$$" not in faithful("It went from $$5 to $$6 in a year.").replace("\\$", "")


def test_money_next_to_mathematics_leaves_both_as_they_are() -> None:
    assert faithful("It costs $5 where $n$ is 3.") == "It costs \\$5 where $n$ is 3."


# --- Mathematics -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        (r"so \(x^2\) is", "so $x^2$ is"),
        (r"\( x \)", "$x$"),
        ("so $x^2$ is", "so $x^2$ is"),
        ("$5x^2$", "$5x^2$"),
        (r"$3 \times 4 = 12$", r"$3 \times 4 = 12$"),
        ("$2n$ and $3n$", "$2n$ and $3n$"),
    ],
)
def test_inline_delimiters_become_inline_mathematics(text: str, drawn: str) -> None:
    assert faithful(text) == drawn


@pytest.mark.parametrize("text", [r"\[x^2\]", "\\[\nx^2\n\\]", "$$x^2$$", "$$\nx^2\n$$"])
def test_display_delimiters_become_a_formula_on_lines_of_its_own(text: str) -> None:
    assert faithful(text).split() == ["$$", "x^2", "$$"]
    assert "\n$$\nx^2\n$$\n" in faithful(text)


def test_text_around_a_formula_stays() -> None:
    assert faithful(r"Take \[x\] and go.").split() == ["Take", "$$", "x", "$$", "and", "go."]


def test_a_formula_in_a_list_stays_in_its_item() -> None:
    formula = [line for line in faithful("1. First\n   \\[\n   x\n   \\]\n2. Second").splitlines() if "$$" in line]
    assert formula == ["   $$", "   $$"]


def test_an_escaped_delimiter_is_no_mathematics() -> None:
    assert "$" not in faithful(r"Write \\(x\\) for mathematics.")


def test_a_delimiter_that_is_not_closed_yet_stays_text() -> None:
    assert faithful(r"so \(x^2") == r"so \(x^2"


# --- Streamlit's own language ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        ":red[alarm]",
        "use color:red for errors, font-size:small",
        ":color[alarm]{foreground=red}",
        "->{foreground=red}",
        ":::note\ntext\n:::",
        "https://a.b:red[c]",
        ":blue-background[alarm]",
        ":gray-badge[alarm]",
        ":material/home:",
        ":tada:",
        ":+1:",
        ":-1:",
        ":streamlit:",
        "::tada::",
        ":TADA:",
        "a:tada:b",
    ],
)
def test_directives_icons_and_shortcodes_stay_text(text: str) -> None:
    assert STREAMLITS_OWN.search(faithful(text)) is None
    assert as_read(faithful(text)) == text


@pytest.mark.parametrize("text", [":100:", "a scale of 1:100:5", ":1234:", ":8ball:", ":1st_place_medal:"])
def test_shortcodes_that_begin_with_a_digit_stay_text(text: str) -> None:
    assert re.search(r":\d\w*:", faithful(text)) is None


@pytest.mark.parametrize("text", ["a -> b", "a <- b", "a -- b", "a >= b", "a <= b", "a ~= b", "a <-> b"])
def test_arrows_and_dashes_are_not_replaced(text: str) -> None:
    assert TYPOGRAPHY.search(faithful(text)) is None


@given(st.text(":abmterilTA/[]_+-1 ", max_size=60))
def test_no_text_speaks_streamlits_language(text: str) -> None:
    assert STREAMLITS_OWN.search(faithful(text)) is None


@pytest.mark.parametrize("text", ["12:30:45", "a ratio of 3:4", "C:\\temp\\x", "std::vector", "note: so", "{a: [1]}"])
def test_other_colons_stay_text(text: str) -> None:
    assert as_read(faithful(text)) == text


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=30).map(str.strip))
def test_a_label_loses_nothing(text: str) -> None:
    assert as_read(label(text)) == text


# --- Links -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("[page](https://example.org/a?b=1&c=2)", "page (<https://example.org/a?b=1&c=2>)"),
        ("https://example.org.", "<https://example.org>."),
        ("<https://example.org>", "<https://example.org>"),
        ("(https://example.org/A_(b))", "(<https://example.org/A_(b)>)"),
        ("![image](https://example.org/i.png)", "image (<https://example.org/i.png>)"),
        ("!https://example.org", "!<https://example.org>"),
    ],
)
def test_a_link_to_a_public_host_shows_its_target(text: str, read: str) -> None:
    assert as_read(faithful(text)) == read


@pytest.mark.parametrize(
    "target",
    [
        "/?prompt=hello",
        "?prompt=hello",
        "//example.org/?prompt=hello",
        "#a",
        "javascript:alert(1)",
        "data:text/html,hello",
        "mailto:a@example.org",
        "file:///etc/passwd",
        "http://localhost:8501/?prompt=hello",
        "http://app.localhost/",
        "http://127.0.0.1:8501/",
        "http://2130706433/",
        "http://[::1]/",
        "https://user@example.org/",
        "www.example.org",
    ],
)
@pytest.mark.parametrize("written", ["[x]({})", "![x]({})", "<{}>", "{}", "[x]: {}", "[x][y]\n\n[y]: {}"])
def test_any_other_target_is_text(written: str, target: str) -> None:
    drawn = faithful(written.format(target))
    assert re.search(r"(?<!\\)\]\(<|(?<!\\)<", drawn) is None
    assert target in as_read(drawn)


def test_a_link_to_this_apps_own_host_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(streamlit.context), "url", property(lambda _: "https://lab.example.org/chat?c=1"))
    assert "](<" not in faithful("[x](https://Lab.example.org/?prompt=hello)")
    assert "](<" in faithful("[x](https://example.org/?prompt=hello)")


@pytest.mark.parametrize(
    "text",
    ["https://example.org", "http://localhost/?prompt=hello", "www.example.org", "a@example.org", "[x](https://a.org)"],
)
def test_a_label_holds_no_link(text: str) -> None:
    assert re.search(r"://|www\.|\w@\w|(?<!\\)\]\(", label(text)) is None
    assert as_read(label(text)) == text


def test_code_that_a_formula_would_turn_into_prose_is_shown_as_source() -> None:
    text = "1.  a\nlazy \\[x\\] b\n    ~~~\n    [y](/?prompt=a)\n    ~~~"
    assert faithful(text) == f"```\n{text}\n```"


# --- Code ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "`$5 $6 :tada:`",
        "``a ` $b$ \\(c\\)``",
        "```\n$5 $6 :tada: \\(x\\)\n```",
        "```sh\necho $HOME $PATH\n```",
        "~~~\n$a$ \\[x\\]\n~~~",
        "   ```\n   $a$\n   ```",
        "````\n```\n$a$\n```\n````",
    ],
)
def test_code_is_not_touched(code: str) -> None:
    assert faithful(f"Before $5.\n\n{code}\n\nAfter $6.") == f"Before \\$5.\n\n{code}\n\nAfter \\$6."


@pytest.mark.parametrize("code", ["```sh\necho $HOME $PATH :tada:", "~~~\n\\(x\\) $a$", "```"])
def test_a_fence_that_is_not_closed_yet_is_code(code: str) -> None:
    assert faithful(code) == code


@pytest.mark.parametrize(
    "code",
    [
        "1. Do this:\n\n    ```sh\n    echo $A $B\n",
        "> ```sh\n> echo $A $B\n",
        "Run this:\n\n    echo $A $B :tada:\n",
    ],
    ids=["a fence in a list, not closed yet", "a fence in a quote, not closed yet", "an indented block"],
)
def test_code_within_other_blocks_is_not_touched(code: str) -> None:
    assert faithful(code) == code.rstrip()


@pytest.mark.parametrize(
    "text",
    [
        "The ` key.\n\n{}\n\nThe ` key again.",
        "Written as \\`{}\\`.",
        "```print(1)```\n\n{}",
        "Not closed: ` {}",
    ],
    ids=["backticks in two paragraphs", "escaped backticks", "a span of three backticks", "a single backtick"],
)
def test_what_is_no_code_is_prose(text: str) -> None:
    assert "\\$5 to \\$6 :color[\\:]tada:" in faithful(text.format("$5 to $6 :tada:"))


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_any_line_end_is_one(line_end: str) -> None:
    text = line_end.join(["First", "of", "four", "lines", "", "```", "$5 :tada:", "```", "", "$5 to $6", ""])
    assert faithful(text).replace("\r\n", "\n").replace("\r", "\n") == faithful(text.replace(line_end, "\n"))


@given(before=PROSE, mark=FENCE_MARK, lines=CODE_LINES, after=PROSE)
def test_every_line_of_a_fence_is_unchanged(before: str, mark: str, lines: list[str], after: str) -> None:
    code = [line if line.strip() else "" for line in lines if not re.match(rf" {{0,3}}{mark}", line)]
    fence = "\n".join([f"{mark}sh", *code, mark])
    assert f"\n{fence}\n" in faithful(f"{before}.\n{fence}\n{after}.")


@given(before=st.text("ab $:.", max_size=20), code=st.text("ab $\\()[]:_+1", min_size=1), run=st.integers(1, 4))
def test_a_code_span_is_unchanged(before: str, code: str, run: int) -> None:
    span = "`" * run + code + "`" * run
    assert span in faithful(f"a{before}{span}")


# --- All texts -------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_characters="$\\:`<[]{&@!", categories=["L", "N", "P", "S"])))
def test_plain_text_comes_out_unchanged(text: str) -> None:
    assume(TYPOGRAPHY.search(text) is None)
    assert as_read(faithful(text)) == text


@given(st.text("ab5 $\\([])`~:\n", max_size=80))
def test_words_are_neither_lost_nor_added(text: str) -> None:
    assert re.findall("[ab5]", faithful(text)) == re.findall("[ab5]", text)


@pytest.mark.parametrize("draw", [faithful, label])
@pytest.mark.parametrize(
    "piece",
    [
        *(
            "\\[",
            "\\(",
            "\\[a\n\\] ",
            "$$ ",
            "$a ",
            "$1 ",
            "` ",
            "`` ` ",
            "```\n",
            ":a",
            ":",
            "[",
            "[](",
            "[a](b",
            "[](x(",
            "![",
            "<a:",
        ),
        *(
            "&amp;",
            "&a",
            "https://a(b(",
            "https://a.b ",
            "@a",
            "www.",
            "-- ",
            "-> ",
            "\\",
            "> ",
            "- a\n",
            "    a\n",
            "\t",
            "\n",
            "a\n\n",
        ),
    ],
)
def test_time_does_not_grow_with_the_square_of_the_text(piece: str, draw: Callable[[str], str]) -> None:
    """A page draws an answer several times a second; a hostile one must not hold the server up."""

    def seconds(length: int) -> float:
        gc.disable()  # what other tests left in memory would be looked through, again and again
        started = time.thread_time()
        try:
            draw(piece * (length // len(piece)))
            return time.thread_time() - started
        finally:
            gc.enable()

    # A busy machine makes any one of these slow: what is quadratic fails all three.
    assert any((long := seconds(200_000)) < 0.5 or long < 8 * seconds(50_000) for _ in range(3))


@pytest.mark.parametrize("draw", [faithful, label])
@pytest.mark.parametrize(
    "text",
    [
        f"$1{' ' * 1_000_000}x$",
        "".join(f"{'`' * length}a" for length in range(1_400)),
        f":{'a' * 1_000_000}",
        "@" * 1_000_000,
    ],
    ids=["blanks", "backticks", "a name", "at signs"],
)
def test_a_megabyte_of_the_worst_is_a_matter_of_seconds(text: str, draw: Callable[[str], str]) -> None:
    started = time.thread_time()
    draw(text)
    assert time.thread_time() - started < 5


# --- Labels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["a_b*c", "[x](http://y)", "![x](http://y)", "$5 $6", "# a", "<b>", "a|b", "`a`", "~a~", "- a", "1. a", "&lt;"],
)
def test_a_label_shows_markdown_as_text(name: str) -> None:
    assert re.search(r"(?<!\\)[`*_<>#~|!$]", label(name).replace(":color[", "")) is None
    assert as_read(label(name)) == name


@pytest.mark.parametrize("name", [":tada:", ":red[x]", ":material/home:"])
def test_a_label_shows_directives_as_text(name: str) -> None:
    assert STREAMLITS_OWN.search(label(name)) is None


def test_a_label_is_one_line() -> None:
    assert "\n" not in label("a\nb")


@pytest.mark.parametrize("name", ["openai/gpt-4o-mini", "z-ai/glm-5:free", "embedded:smollm2-135m-instruct"])
def test_a_label_shows_the_name_of_a_model(name: str) -> None:
    assert as_read(label(name)) == name


# --- Line breaks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "drawn"),
    [
        ("one\ntwo", "one  \ntwo"),
        ("one \ntwo\n\nthree", "one  \ntwo\n\nthree"),
        ("one\n```\na\nb\n```\ntwo\nthree", "one\n```\na\nb\n```\ntwo  \nthree"),
        ("> one\n> two", "> one  \n> two"),
    ],
    ids=["a line", "a paragraph", "code", "a quotation"],
)
def test_what_people_type_keeps_its_line_breaks(typed: str, drawn: str) -> None:
    assert faithful(typed, breaks=True) == drawn
