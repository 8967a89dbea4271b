"""A growing text: all of it is seen, each finished block is drawn once, and a new beginning leaves nothing."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def drawn(*texts: str, most: int = 20_000) -> list[str]:
    """What the page shows after a text has grown."""

    def page(texts: tuple[str, ...], most: int) -> None:
        from components.shared.growing import Growing

        growing = Growing(most)
        for text in texts:
            growing.draw(text)

    app = AppTest.from_function(page, args=(texts, most), default_timeout=60).run()
    assert not app.exception
    return [element.value for element in app.markdown]


def test_a_growing_text_is_shown_block_by_block() -> None:
    assert drawn("One", "One two.\n\nThree", "One two.\n\nThree four.") == ["One two.", "Three four."]


def test_a_text_that_begins_again_leaves_nothing_of_the_one_before() -> None:
    assert drawn("Wrong.\n\nWrong too.\n\nAnd", "", "Right.") == ["Right."]


def test_of_a_very_long_text_the_end_is_shown() -> None:
    paragraphs = [f"Paragraph {number}.\n\n" for number in range(50)]
    texts = ["".join(paragraphs[: number + 1]) for number in range(50)]
    shown = drawn(*texts, most=100)
    assert shown[0] == "…"
    assert shown[-1] == "Paragraph 49."
    assert len(shown) < 12


def test_one_endless_block_that_comes_at_once_is_cut() -> None:
    assert sum(map(len, drawn("x" * 5_000, most=1_000))) < 2_500
