"""Comparing states and checking the reader."""

import numpy as np
import pytest

from wm_gym.evaluation.rollouts import RealRollout
from wm_gym.evaluation.states import ReaderError, check_reader, match_factors, match_states
from wm_gym.evaluation.twin import Env, State, real_twin

TRUE = {"agent": [1, 2], "doors": {"3,4": "red locked"}}


def test_factor_matches_where_it_is_equal() -> None:
    states: list[State] = [TRUE, TRUE | {"agent": [2, 2]}, TRUE | {"doors": {}}]
    matches = match_factors(states, [TRUE] * 3)
    assert {name: flags.tolist() for name, flags in matches.items()} == {
        "agent": [True, False, True],
        "doors": [True, True, False],
    }


def test_missing_factor_is_a_mismatch() -> None:
    assert not match_factors([{"agent": [1, 2]}], [TRUE])["doors"][0]


def test_whole_state_needs_every_factor() -> None:
    assert match_states([TRUE, TRUE | {"doors": {}}], [TRUE, TRUE]).tolist() == [True, False]


def test_states_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="longer"):
        match_states([TRUE], [TRUE, TRUE])


def test_reader_reads_every_real_frame(twin_env: Env, explored: list[RealRollout]) -> None:
    assert sum(check_reader(real_twin(twin_env).read_state, rollout) for rollout in explored) == 8 * 17


def test_reader_that_misreads_is_an_error(twin_env: Env, explored: list[RealRollout]) -> None:
    def read_mirrored(frame: np.ndarray) -> State:
        return real_twin(twin_env).read_state(np.ascontiguousarray(frame[:, ::-1]))

    with pytest.raises(ReaderError, match="must equal state.* at step 0 of seed 0; mend the twin's reader"):
        check_reader(read_mirrored, explored[0])
