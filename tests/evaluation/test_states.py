"""Comparing states and checking the reader."""

import gymnasium as gym
import numpy as np
import pytest

from wm_gym.evaluation.rollouts import RealRollout
from wm_gym.evaluation.states import ReaderCounts, ReaderError, StateReader, check_reader, reader_of, whole_state
from wm_gym.evaluation.twin import Env, State

TRUE: State = {"agent": [1, 2], "doors": {"3,4": "red locked"}}
PLACE: State = {"ball": [10.0, 20.0], "paddle": 30.0, "balls": 1}


class Scripted:
    """A twin that reads from every frame the state it was made with."""

    def __init__(self, shown: State) -> None:
        self.shown = shown

    def state(self) -> State:
        """The true state."""
        return PLACE

    def read_state(self, frame: np.ndarray) -> State:
        """The state it was made with."""
        return self.shown


class Lenient(Scripted):
    """A twin with a rule of its own."""

    def match_state(self, state: State, true_state: State) -> dict[str, bool]:
        """Only the paddle counts."""
        return {"ball": True, "paddle": state["paddle"] == true_state["paddle"], "balls": True}


def read(state: State, tolerances: dict[str, float] | None = None) -> dict[str, bool]:
    """What counts as right of a state where `PLACE` is true."""
    matches = StateReader(Scripted(state), tolerances or {}).match([state], [PLACE])
    return {name: bool(flags[0]) for name, flags in matches.items()}


def test_factor_matches_where_it_is_equal() -> None:
    states: list[State] = [TRUE, {**TRUE, "agent": [2, 2]}, {**TRUE, "doors": {}}]
    matches = StateReader(Scripted(TRUE)).match(states, [TRUE] * 3)
    assert {name: flags.tolist() for name, flags in matches.items()} == {
        "agent": [True, False, True],
        "doors": [True, True, False],
    }


def test_missing_factor_is_a_mismatch() -> None:
    assert not StateReader(Scripted(TRUE)).match([{"agent": [1, 2]}], [TRUE])["doors"][0]


def test_whole_state_needs_every_factor() -> None:
    matches = StateReader(Scripted(TRUE)).match([TRUE, {**TRUE, "doors": {}}], [TRUE, TRUE])
    assert whole_state(matches).tolist() == [True, False]


def test_states_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="longer"):
        StateReader(Scripted(TRUE)).match([TRUE], [TRUE, TRUE])


@pytest.mark.parametrize(("ball", "right"), [([13.0, 22.0], True), ([14.0, 22.0], False), (None, False)])
def test_point_within_its_tolerance_is_right(ball: list[float] | None, right: bool) -> None:
    assert read({**PLACE, "ball": ball}, {"ball": 4.0})["ball"] is right


def test_factor_without_a_tolerance_must_be_equal() -> None:
    assert read({**PLACE, "paddle": 30.1, "balls": 2}, {"paddle": 3.0}) == {
        "ball": True,
        "paddle": True,
        "balls": False,
    }


def test_none_equals_none_alone() -> None:
    reader = StateReader(Scripted(PLACE), {"ball": 4.0})
    assert reader.match([{"ball": None}, {"ball": [1.0, 1.0]}], [{"ball": None}] * 2)["ball"].tolist() == [True, False]


def test_rule_of_the_twin_goes_first() -> None:
    reader = StateReader(Lenient(PLACE))
    wrong: State = {"ball": [0.0, 0.0], "paddle": 30.0, "balls": 9}
    assert whole_state(reader.match([wrong], [PLACE])).tolist() == [True]
    assert not reader.is_exact


def test_tolerances_are_the_worlds(twin_env: Env) -> None:
    pong, minigrid = reader_of(twin_env, "pong"), reader_of(twin_env, "minigrid")
    assert pong is not None and minigrid is not None
    assert (pong.tolerances["ball"], pong.tolerances["player"]) == (4.0, 3.0)
    assert minigrid.is_exact and not pong.is_exact


def test_env_without_states_has_no_reader() -> None:
    assert reader_of(gym.make("CartPole-v1"), "pong") is None


def test_reader_reads_every_real_frame(reader: StateReader, explored: list[RealRollout]) -> None:
    counts = sum((check_reader(reader, rollout) for rollout in explored), ReaderCounts())
    assert counts.frames == counts.whole == 8 * 17
    assert set(counts.right.values()) == {8 * 17}


def test_exact_reader_that_misreads_is_an_error(explored: list[RealRollout]) -> None:
    shown = {**explored[0].states[0], "direction": -1}
    with pytest.raises(ReaderError, match="must equal state.* at step 0 of seed 0; mend the twin's reader"):
        check_reader(StateReader(Scripted(shown)), explored[0])


def test_lenient_reader_that_misreads_is_counted(explored: list[RealRollout]) -> None:
    true = explored[0].states
    counts = check_reader(StateReader(Scripted(true[3]), {"direction": 0.5}), explored[0])
    assert counts.frames == len(true)
    assert counts.whole == sum(state == true[3] for state in true) < len(true)
