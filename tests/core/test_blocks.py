"""A growing Markdown text is cut into blocks that are each given once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.blocks import LONG, Blocks

PAGE = """## A heading

A paragraph that is
two lines long.

- one
- two

```python
first = 1

second = 2
```

The end.
"""


def grown(text: str, step: int = 50) -> tuple[list[str], str]:
    """The blocks of a text that arrives in pieces, and its rest."""
    blocks = Blocks()
    done = [block for end in range(step, len(text) + step, step) for block in blocks.grow(text[:end])]
    return done, blocks.rest


def test_finished_blocks_are_given_once_and_in_order() -> None:
    done, rest = grown(PAGE, step=7)
    assert "".join([*done, rest]) == PAGE
    assert rest.strip() == "The end."


def test_code_that_holds_an_empty_line_is_one_block() -> None:
    done, _ = grown(PAGE, step=7)
    assert "```python\nfirst = 1\n\nsecond = 2\n```\n\n" in done


def test_a_line_that_has_just_begun_does_not_end_the_paragraph_above_it() -> None:
    assert grown("A sentence\n#", step=1) == ([], "A sentence\n#")


@pytest.mark.parametrize(
    "text",
    [
        "word " * 2_000,
        "A sentence of some words.\n" * 200,
        "".join(f"- item {n}\n" for n in range(500)),
        "".join(f"{n}. item\n" for n in range(1, 500)),
        "```python\n" + "print(1)\n" * 500,
        "| a | b |\n| --- | --- |\n" + "| 1 | 2 |\n" * 500,
        "a paragraph\n\n" * 400,
        "x" * 5_000,
    ],
    ids=["words", "lines", "bullets", "numbers", "code", "table", "paragraphs", "one word"],
)
def test_what_is_drawn_again_stays_short_however_long_the_text_is(text: str) -> None:
    blocks = Blocks()
    longest = 0
    for end in range(50, len(text), 50):
        blocks.grow(text[:end])
        longest = max(longest, len(blocks.rest))
    assert longest < 2 * LONG


def test_long_code_goes_on_as_code() -> None:
    done, rest = grown("```python\n" + "print(1)\n" * 500)
    assert all(block.startswith("```python\n") and block.endswith("```\n") for block in done)
    assert rest.startswith("```python\n")


def test_a_long_table_goes_on_with_its_head() -> None:
    head = "| a | b |\n| --- | --- |\n"
    done, rest = grown(head + "| 1 | 2 |\n" * 500)
    assert all(part.startswith(head) for part in [*done, rest])


def test_a_text_that_begins_again_is_told() -> None:
    blocks = Blocks()
    blocks.grow("One answer.\n\nMore")
    with pytest.raises(ValueError, match="begun again"):
        blocks.grow("Another")


@given(st.text(alphabet="ab \n#-*`|>1.~=\t", max_size=400), st.integers(1, 50))
def test_no_text_is_lost(text: str, step: int) -> None:
    done, rest = grown(text, step)
    assert "".join([*done, rest]) == text
