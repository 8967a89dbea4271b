"""Blind votes: two unnamed answers, the vote, the reveal; and the leaderboard."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from router.compare.leaderboard import leaderboard
from router.compare.votes import Ballot, identical_ballots, names, open_ballots
from router.core.comparisons import Comparison, Key, Vote, Winner
from router.core.formatting import counted
from router.lab import Lab

from components.compare.lanes import draw_text
from components.shared.markdown import label
from components.shared.message import draw_source
from components.shared.trace import draw_strip

_CHOICES: dict[Winner, tuple[str, str]] = {
    "left": ("Left is better", ":material/thumb_up:"),
    "right": ("Right is better", ":material/thumb_up:"),
    "tie": ("Tie", ":material/balance:"),
    "both bad": ("Both are bad", ":material/thumb_down:"),
}
_VOTED, _CAST, _SKIPS = "compare_voted", "compare_cast", "compare_skips"


def draw_vote(lab: Lab, comparison: Comparison) -> None:
    """The next two answers, or the names behind the last vote; below, in one place, what can be done."""
    lab.comparisons.tie_identical(comparison)
    voted = st.session_state.get(_VOTED)
    if voted is not None and voted[0] == comparison.id:
        _draw_revealed(lab, comparison, *voted[1:])
        return
    left_open = open_ballots(comparison, lab.comparisons.votes())
    if not left_open:
        st.success(f"All pairs of answers have votes. {_ties(comparison)}", icon=":material/done_all:")
        with _bar():
            _draw_undo(lab, comparison)
        return
    ballot = min(left_open, key=_skips(comparison).__getitem__)
    left = counted(len(left_open), "pair")
    st.caption(f"{left} of answers left to vote on. Names appear after each vote. {_ties(comparison)}")
    _draw_prompt(comparison, ballot)
    _draw_sides(comparison, ballot, ("Left", "Right"))
    with _bar():
        for number, (winner, (text, icon)) in enumerate(_CHOICES.items(), 1):
            st.button(
                text, icon=icon, key=f"compare_vote_{winner}", shortcut=str(number),
                on_click=_vote, args=(lab, comparison, ballot, winner),
            )  # fmt: skip
        st.button("Skip", icon=":material/skip_next:", type="tertiary", key="compare_vote_skip", shortcut="s",
                  help="Show this pair again after the others", on_click=_skip, args=(comparison, ballot),
                  disabled=len(left_open) < 2)  # fmt: skip
        _draw_undo(lab, comparison)


def _bar() -> DeltaGenerator:
    """The place of the buttons, the same for every pair however long its answers are."""
    return st.bottom.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center", gap="small")


def _draw_undo(lab: Lab, comparison: Comparison) -> None:
    cast = _cast(comparison)
    st.button("Undo vote", icon=":material/undo:", type="tertiary", key="compare_vote_undo", shortcut="u",
              help="Removes your last vote and shows its answers again", disabled=not cast,
              on_click=_undo, args=(lab, cast))  # fmt: skip


def _ties(comparison: Comparison) -> str:
    ties = len(identical_ballots(comparison, []))
    return f"{counted(ties, 'pair')} of identical answers tied without a vote." if ties else ""


def _cast(comparison: Comparison) -> list[Vote]:
    """Votes on a comparison in this session, oldest first."""
    cast: dict[str, list[Vote]] = st.session_state.setdefault(_CAST, {})
    return cast.setdefault(comparison.id, [])


def _skips(comparison: Comparison) -> Counter[Ballot]:
    """How often each pair was skipped in this session."""
    skips: dict[str, Counter[Ballot]] = st.session_state.setdefault(_SKIPS, {})
    return skips.setdefault(comparison.id, Counter())


def _vote(lab: Lab, comparison: Comparison, ballot: Ballot, winner: Winner) -> None:
    if (vote := lab.comparisons.vote(comparison, ballot, winner)) is not None:
        _cast(comparison).append(vote)
    st.session_state[_VOTED] = (comparison.id, ballot, winner)


def _skip(comparison: Comparison, ballot: Ballot) -> None:
    _skips(comparison)[ballot] += 1


def _undo(lab: Lab, cast: list[Vote]) -> None:
    lab.comparisons.undo_vote(cast.pop())
    st.session_state.pop(_VOTED, None)


def _draw_revealed(lab: Lab, comparison: Comparison, ballot: Ballot, winner: Winner) -> None:
    left, right = names(comparison, ballot)
    said = {"left": f"You preferred {left}.", "right": f"You preferred {right}."}.get(winner, f"Your vote: {winner}.")
    _draw_prompt(comparison, ballot)
    _draw_sides(comparison, ballot, (left, right), reveal=True)
    with _bar():
        st.markdown(f"**{label(said)}**", width="content")
        st.button(
            "Next", type="primary", icon=":material/arrow_forward:", shortcut="enter", on_click=st.session_state.pop,
            args=(_VOTED,), key="compare_vote_next",
        )  # fmt: skip
        _draw_undo(lab, comparison)


def _draw_prompt(comparison: Comparison, ballot: Ballot) -> None:
    draw_source(comparison.plan.prompts[ballot.prompt].text, key="compare_ballot")


def _draw_sides(comparison: Comparison, ballot: Ballot, titles: tuple[str, str], *, reveal: bool = False) -> None:
    with st.grid(2, min_column_width=280, border=True):
        for side, (lane, title) in enumerate(zip(ballot[1:], titles, strict=True)):
            cell = comparison.cells[Key(lane, ballot.prompt, 0)]
            with st.container(gap="xsmall"):
                st.markdown(f"**{label(title)}**")
                draw_text(cell, key=f"compare_side_{side}", thoughts=reveal)
                if reveal and cell.attempts:
                    draw_strip(cell.attempts, key=f"side_{side}")


# --- The leaderboard -------------------------------------------------------------------------------


def draw_leaderboard(lab: Lab) -> None:
    """All votes of all comparisons, by category."""
    votes = lab.comparisons.votes()
    if not votes:
        st.caption("No votes yet. Run a comparison and vote on its answers without seeing the names.")
        return
    everything = "All categories"
    categories = sorted({vote.category for vote in votes if vote.category is not None})
    chosen = st.selectbox("Category", [everything, *categories], key="compare_board", width=280)
    board = leaderboard([vote for vote in votes if chosen in (everything, vote.category)])
    for note in board.notes:
        st.info(label(note), icon=":material/info:")
    rows = [
        {
            "tier": standing.tier,
            "lane": standing.lane,
            "rating": standing.rating,
            "interval": f"{standing.low:.0f} to {standing.high:.0f}"
            if standing.low is not None and standing.high is not None
            else None,
            **{name: getattr(standing, name) for name in ("votes", "wins", "losses", "ties", "bad")},
        }
        for standing in board.standings
    ]
    st.dataframe(
        pd.DataFrame(rows).astype({"tier": "Int64", "rating": "float64"}),
        hide_index=True,
        placeholder="–",
        alt="Lanes by votes, best first",
        column_config={
            "tier": st.column_config.NumberColumn("Tier", help="Lanes in the same tier do not differ significantly"),
            "lane": st.column_config.TextColumn("Lane"),
            "rating": st.column_config.NumberColumn(
                "Rating", format="%.0f", help="Bradley-Terry rating; 1,000 is average"
            ),
            "interval": st.column_config.TextColumn("95% interval", help="Bootstrap over prompts"),
            "votes": st.column_config.NumberColumn("Votes"),
            "wins": st.column_config.NumberColumn("Won"),
            "losses": st.column_config.NumberColumn("Lost"),
            "ties": st.column_config.NumberColumn("Ties"),
            "bad": st.column_config.NumberColumn("Both bad", help="Counted as ties"),
        },
    )
