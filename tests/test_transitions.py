"""The one table of moves: what it lists is allowed, all else is refused."""

import pytest

from spoolq.errors import NotAllowed
from spoolq.transitions import ACTIVE, MOVES, TERMINAL, State, check

VERBS = sorted({move for move, _ in MOVES})
#: The drawing in the protocol, as pairs.
DRAWN = {
    ("claim", "queued", "running"),
    ("prioritise", "queued", "queued"),
    ("cancel", "queued", "cancelled"),
    ("cancel", "running", "cancelled"),
    ("reject", "queued", "failed"),
    ("finish", "running", "completed"),
    ("finish", "running", "failed"),
    ("finish", "running", "cancelled"),
    ("requeue", "running", "queued"),
    ("reclaim", "running", "queued"),
    ("adopt", "running", "running"),
    ("retry", "failed", "queued"),
    ("retry", "cancelled", "queued"),
}


def test_the_table_is_the_drawing():
    # Given the table, When it is written out as pairs, Then there is nothing more and nothing less than is drawn
    assert {(move, start, end) for (move, start), ends in MOVES.items() for end in ends} == DRAWN


def test_every_state_is_active_or_terminal():
    # Given the states, When they are sorted, Then each is of one kind
    assert set(ACTIVE) | set(TERMINAL) == set(State)
    assert not set(ACTIVE) & set(TERMINAL)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("move", VERBS)
def test_what_the_table_does_not_list_is_refused(move, state):
    # Given a move and a state that the table does not bring together
    if (move, state) in MOVES:
        return
    # When somebody tries it
    with pytest.raises(NotAllowed) as caught:
        check(move, "1b4e28ba", state)
    # Then the refusal names the job, the move and the state
    assert str(caught.value).startswith(f"cannot {move} job 1b4e28ba: it is {state}.")


@pytest.mark.parametrize(("move", "state"), MOVES)
def test_what_the_table_lists_says_where_it_leads(move, state):
    # Given a row of the table, When it is checked, Then it says where the move may lead
    assert check(move, "1b4e28ba", state) == MOVES[move, state]


@pytest.mark.parametrize(
    ("move", "state", "step"), [("retry", State.COMPLETED, "submit"), ("cancel", State.FAILED, "running jobs")]
)
def test_a_refusal_says_what_to_do(move, state, step):
    # Given a move that is refused, When the error is read, Then it says what to do instead
    with pytest.raises(NotAllowed, match=step):
        check(move, "1b4e28ba", state)
