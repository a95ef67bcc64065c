"""What may happen in the MiniGrid twin beside an action."""

from collections import Counter
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envs.minigrid.actions import ACTIONS
from envs.twin import Twin

TEXT = "envs:real/MiniGrid-v0"


@pytest.fixture
def twin() -> Any:
    """A room of doors, one of which is locked in many of its layouts."""
    env = gym.make(TEXT, layout="rooms").unwrapped
    env.reset(seed=0)
    return env


def kinds_of_doors(twin: Any) -> Counter[str]:
    return Counter(name.split()[1] for name in twin.state()["doors"].values())


def test_doors_open_but_for_locked_ones(twin: Any) -> None:
    locked = 0
    for seed in range(20):
        twin.reset(seed=seed)
        before = kinds_of_doors(twin)
        twin.happen("The doors  open")  # case and spaces do not matter
        _, _, _, _, info = twin.step("wait")
        after = kinds_of_doors(twin)
        assert info["event"] == "The doors  open"
        assert after["closed"] == 0
        assert after["locked"] == before["locked"]
        assert after["open"] == before["open"] + before["closed"]
        locked += before["locked"]
    assert locked > 0


def test_doors_close_but_for_the_one_the_agent_stands_in(twin: Any) -> None:
    twin.happen("the doors open")
    twin.step("wait")
    cells = [tuple(map(int, cell.split(","))) for cell, name in twin.state()["doors"].items() if name.endswith("open")]
    twin.simulator.grid_env.agent_pos = cells[0]
    twin.happen("the doors close")
    twin.step("wait")
    open_doors = [cell for cell, name in twin.state()["doors"].items() if name.endswith("open")]
    assert open_doors == [f"{cells[0][0]},{cells[0][1]}"]


def test_an_event_comes_before_the_action(twin: Any) -> None:
    direction = twin.state()["direction"]
    twin.happen("the agent is turned around")
    twin.step("turn left")
    assert twin.state()["direction"] == (direction + 2 - 1) % 4


def test_an_event_happens_once_and_unknown_ones_not_at_all(twin: Any) -> None:
    direction = twin.state()["direction"]
    twin.happen("sing a song")
    assert "event" not in twin.step("wait")[-1]
    assert twin.state()["direction"] == direction
    twin.happen("the agent is turned around")
    assert "event" in twin.step("wait")[-1]
    assert "event" not in twin.step("wait")[-1]
    assert twin.state()["direction"] == (direction + 2) % 4


def test_an_event_to_come_is_a_part_of_the_state_and_ends_with_the_episode(twin: Any) -> None:
    twin.happen("the agent is turned around")
    saved, direction = twin.clone_state(), twin.state()["direction"]
    for _ in range(2):
        twin.restore_state(saved)
        twin.step("wait")
        assert twin.state()["direction"] == (direction + 2) % 4
    twin.happen("the agent is turned around")
    twin.reset(seed=1)
    assert "event" not in twin.step("wait")[-1]


def test_events_by_chance_come_as_often_as_asked_in_all_phrasings() -> None:
    env: Any = gym.make(TEXT, event_rate=0.25)
    env.reset(seed=3)
    seen: Counter[str] = Counter(env.step("wait")[-1].get("event", "") for _ in range(250))
    env.reset(seed=4)
    seen += Counter(env.step("wait")[-1].get("event", "") for _ in range(250))
    assert 90 < 500 - seen[""] < 160  # 125 expected, sigma 10
    assert set(seen) - {""} == {text for texts in ACTIONS.event_phrases.values() for text in texts}


def test_without_events_an_episode_is_what_it_was() -> None:
    """No random number is drawn for events where there are none."""
    frames = []
    for rate in (None, 0.0, 1.0):
        env: Any = gym.make(TEXT) if rate is None else gym.make(TEXT, event_rate=rate)
        env.reset(seed=5)
        frames.append((env.step("wait")[0], env.unwrapped.np_random.random()))
    np.testing.assert_array_equal(frames[0][0], frames[1][0])
    assert frames[0][1] == frames[1][1] != frames[2][1]


def test_wrong_events_are_refused(twin: Any) -> None:
    with pytest.raises(ValueError, match=r"event must be a string, got 3 \(int\)"):
        twin.happen(3)
    for rate in (-0.1, 1.5):
        with pytest.raises(ValueError, match=rf"event_rate must be in \[0, 1\], got {rate}"):
            gym.make(TEXT, event_rate=rate)
    with pytest.raises(ValueError, match="event_rate must be 0, since minigrid_view has no events, got 0.1"):
        gym.make("envs:real/MiniGridView-v0", event_rate=0.1)
    fresh: Twin = gym.make(TEXT).unwrapped  # type: ignore[assignment]
    with pytest.raises(gym.error.ResetNeeded, match="happen must follow a reset, got one before reset"):
        fresh.happen("the doors open")


def test_no_phrasing_tells_two_events_or_an_action() -> None:
    texts = [text for texts in ACTIONS.event_phrases.values() for text in texts]
    assert len(set(texts)) == len(texts)
    said = {text for table in (ACTIONS.phrases, ACTIONS.unseen_phrases) for each in table.values() for text in each}
    assert not said & set(texts)
