"""Events reach the next step of envs, once, and are a part of the state until then."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, ResetNeeded

from tests.production import unchecked
from wm_gym.env import WorldModelEnv
from wm_gym.vector_env import WorldModelVectorEnv

EVENT = "the door opens"


@pytest.fixture
def env(checkpoint: Path) -> WorldModelEnv:
    env = WorldModelEnv(checkpoint=checkpoint)
    env.reset(seed=0)
    return env


def uneventful(env: WorldModelEnv, action: str = "go left") -> Any:
    """What a step shows from here where nothing happens; the env stays where it is."""
    state = env.clone_state()
    env.happen("")
    chunk = env.step(action)[0]
    env.restore_state(state)
    return chunk


def test_an_event_is_what_the_model_is_told(env: WorldModelEnv) -> None:
    state = env.clone_state().world_state
    env.happen(EVENT)
    _, output = env.model.step(state, ["go left"], events=[EVENT])
    plain = uneventful(env)
    chunk, _, _, _, info = env.step("go left")
    assert info["event"] == EVENT
    np.testing.assert_array_equal(chunk, output.frames[0].numpy())
    assert (plain != output.frames[0].numpy()).any()


def test_an_event_happens_once(env: WorldModelEnv) -> None:
    env.happen(EVENT)
    env.step("go left")
    assert env.clone_state().event == ""
    expected = uneventful(env)
    np.testing.assert_array_equal(env.step("go left")[0], expected)


def test_an_event_to_come_is_a_part_of_the_state(env: WorldModelEnv) -> None:
    env.happen(EVENT)
    state = env.clone_state()
    chunk = env.step("go left")[0]
    env.restore_state(state)
    np.testing.assert_array_equal(env.step("go left")[0], chunk)
    env.reset(options={"state": state})
    np.testing.assert_array_equal(env.step("go left")[0], chunk)


def test_a_reset_may_tell_the_first_event(env: WorldModelEnv) -> None:
    env.reset(seed=0, options={"event": EVENT})
    told = env.step("go left")[0]
    env.reset(seed=0)
    env.happen(EVENT)
    np.testing.assert_array_equal(env.step("go left")[0], told)


@pytest.mark.parametrize("event", [7, "caf\u00e9", "x" * 257])
def test_a_bad_event_is_an_error_and_changes_nothing(env: WorldModelEnv, event: Any) -> None:
    env.happen(EVENT)
    with unchecked(), pytest.raises(ValueError, match="event must"):
        env.happen(event)
    with unchecked(), pytest.raises(ValueError, match="event must"):
        env.reset(options={"event": event})
    assert (env.clone_state().event, env.clone_state().elapsed_steps) == (EVENT, 0)


def test_nothing_happens_to_a_world_that_is_not_there(checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=checkpoint)
    with pytest.raises(ResetNeeded):
        env.happen(EVENT)
    env.close()
    with pytest.raises(ClosedEnvironmentError, match="happen must not be called after close"):
        env.happen(EVENT)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_rows_are_told_as_single_envs_are(checkpoint: Path, mode: str) -> None:
    envs = WorldModelVectorEnv(2, checkpoint=checkpoint, autoreset_mode=mode, max_episode_steps=3)
    envs.reset(seed=0, options={"event": EVENT})
    steps = [envs.step(["go left", ""])]
    envs.happen(["", EVENT])
    state = envs.clone_state()
    steps.append(envs.step(["go left", ""]))
    assert [step[-1]["event"].tolist() for step in steps] == [[EVENT, EVENT], [None, EVENT]]
    assert [step[-1]["_event"].tolist() for step in steps] == [[True, True], [False, True]]
    assert "event" not in envs.step(["", ""])[-1]
    chunks = [step[0] for step in steps]
    for row in range(2):
        single = WorldModelEnv(checkpoint=checkpoint)
        single.reset(seed=row, options={"event": EVENT})
        for number, event in enumerate(["", ["", EVENT][row]]):
            if event:
                single.happen(event)
            chunk = single.step(["go left", ""][row])[0]
            assert np.abs(chunk.astype(int) - chunks[number][row]).max() <= 1
        assert state.row(row).event == ["", EVENT][row]
    assert envs.clone_state().events == ()


def test_a_step_that_resets_a_row_tells_it_nothing(checkpoint: Path) -> None:
    told, plain = (WorldModelVectorEnv(1, checkpoint=checkpoint, max_episode_steps=1) for _ in range(2))
    for envs in (told, plain):
        envs.reset(seed=0)
        envs.step([""])
    told.happen([EVENT])
    for _ in range(2):
        np.testing.assert_array_equal(told.step(["go left"])[0], plain.step(["go left"])[0])


@pytest.mark.parametrize("events", [[EVENT], EVENT, ["", 3], None])
def test_bad_events_of_a_batch_are_an_error(checkpoint: Path, events: Any) -> None:
    envs = WorldModelVectorEnv(2, checkpoint=checkpoint)
    envs.reset(seed=0)
    with unchecked(), pytest.raises(ValueError, match="events? must be"):
        envs.happen(events)
    assert envs.clone_state().events == ()


def test_a_masked_reset_leaves_the_others_their_events(checkpoint: Path) -> None:
    envs = WorldModelVectorEnv(2, checkpoint=checkpoint)
    envs.reset(seed=0)
    envs.happen([EVENT, EVENT])
    envs.reset(options={"reset_mask": np.array([True, False])})
    assert envs.clone_state().events == ("", EVENT)
