"""Blind votes: two answers without names, the vote, the reveal; and the leaderboard that comes of it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from router.compare.votes import Ballot, leaderboard, names, open_ballots
from router.lab import Lab
from router.store import Comparison, Key, Winner

from components.lanes import draw_text, figures
from components.markdown import label

_CHOICES: dict[Winner, tuple[str, str]] = {
    "left": ("Left is better", ":material/thumb_up:"),
    "right": ("Right is better", ":material/thumb_up:"),
    "tie": ("Tie", ":material/balance:"),
    "both bad": ("Both are bad", ":material/thumb_down:"),
}
_VOTED = "compare_voted"


def draw_vote(lab: Lab, comparison: Comparison) -> None:
    """The next two answers, or whose those were that were voted on last."""
    voted = st.session_state.get(_VOTED)
    if voted is not None and voted[0] == comparison.id:
        _draw_revealed(comparison, *voted[1:])
        return
    left_open = open_ballots(comparison, lab.comparisons.votes())
    if not left_open:
        st.success("Every pair of answers was voted on.", icon=":material/done_all:")
        return
    ballot = left_open[0]
    st.caption(f"{len(left_open)} pairs of answers wait for a vote. Whose they are is shown after it.")
    _draw_prompt(comparison, ballot)
    _draw_sides(comparison, ballot, ("Left", "Right"))
    with st.container(horizontal=True, horizontal_alignment="center"):
        for number, (winner, (text, icon)) in enumerate(_CHOICES.items(), 1):
            st.button(
                text, icon=icon, key=f"compare_vote_{winner}", shortcut=str(number),
                on_click=_vote, args=(lab, comparison, ballot, winner),
            )  # fmt: skip


def _vote(lab: Lab, comparison: Comparison, ballot: Ballot, winner: Winner) -> None:
    lab.comparisons.vote(comparison, ballot, winner)
    st.session_state[_VOTED] = (comparison.id, ballot, winner)


def _draw_revealed(comparison: Comparison, ballot: Ballot, winner: Winner) -> None:
    left, right = names(comparison, ballot)
    said = {"left": f"You preferred {left}.", "right": f"You preferred {right}."}.get(winner, f"You said: {winner}.")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{label(said)}**")
        st.button(
            "Next", type="primary", icon=":material/arrow_forward:", shortcut="enter", on_click=st.session_state.pop,
            args=(_VOTED,), key="compare_vote_next",
        )  # fmt: skip
    _draw_prompt(comparison, ballot)
    _draw_sides(comparison, ballot, (left, right), reveal=True)


def _draw_prompt(comparison: Comparison, ballot: Ballot) -> None:
    st.code(comparison.plan.prompts[ballot.prompt].text, language=None, wrap_lines=True)


def _draw_sides(comparison: Comparison, ballot: Ballot, titles: tuple[str, str], *, reveal: bool = False) -> None:
    with st.grid(2, min_column_width=280, border=True):
        for side, (lane, title) in enumerate(zip(ballot[1:], titles, strict=True)):
            cell = comparison.cells[Key(lane, ballot.prompt, 0)]
            with st.container(gap="xsmall"):
                st.markdown(f"**{label(title)}**")
                draw_text(cell, key=f"compare_side_{side}", thoughts=reveal)
                if reveal:
                    st.caption(label(figures(cell)))


# --- The leaderboard -------------------------------------------------------------------------------


def draw_leaderboard(lab: Lab) -> None:
    """All votes of all comparisons, by category."""
    votes = lab.comparisons.votes()
    if not votes:
        st.caption("Nobody has voted yet. Run a comparison, and vote on its answers without seeing whose they are.")
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
        alt="Lanes by the votes on their answers, best first",
        column_config={
            "tier": st.column_config.NumberColumn("Tier", help="Lanes of one tier cannot be told apart"),
            "lane": st.column_config.TextColumn("Lane"),
            "rating": st.column_config.NumberColumn("Rating", format="%.0f", help="Bradley-Terry; 1,000 is average"),
            "interval": st.column_config.TextColumn("95 % interval", help="Bootstrap over prompts"),
            "votes": st.column_config.NumberColumn("Votes"),
            "wins": st.column_config.NumberColumn("Won"),
            "losses": st.column_config.NumberColumn("Lost"),
            "ties": st.column_config.NumberColumn("Ties"),
            "bad": st.column_config.NumberColumn("Both bad", help="They count as ties"),
        },
    )
