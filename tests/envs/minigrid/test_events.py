"""What may happen in the MiniGrid twin beside an action."""

from collections import Counter
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envs.minigrid.actions import ACTIONS
from envs.twin import Twin
from policies.minigrid import explorer

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
    drawn = []
    for rate in (0.0, 1.0):
        env: Any = gym.make(TEXT, event_rate=rate)
        env.reset(seed=5)
        before = env.unwrapped.np_random.bit_generator.state
        env.step("wait")
        drawn.append(env.unwrapped.np_random.bit_generator.state != before)
    assert drawn == [False, True]


def test_a_reset_may_tell_the_first_event(twin: Any) -> None:
    twin.reset(seed=1)
    direction = twin.state()["direction"]
    twin.reset(seed=1, options={"event": "the agent is turned around"})
    twin.step("wait")
    assert (twin.last_event, twin.state()["direction"]) == ("the agent is turned around", (direction + 2) % 4)
    twin.step("wait")
    assert twin.last_event == ""


def test_the_explorer_plans_anew_after_an_event() -> None:
    """With a stale plan it would walk into walls and doors far more often."""
    blocked = {}
    for rate in (0.0, 0.2):
        env: Any = gym.make(TEXT, event_rate=rate)
        tried = failed = 0
        for seed in range(6):
            env.reset(seed=seed)
            policy, over = explorer(env, np.random.default_rng(seed)), False
            while not over:
                before, text = env.unwrapped.state()["agent"], policy(None)
                _, _, terminated, truncated, info = env.step(text)
                over = terminated or truncated
                if "event" not in info and ACTIONS.index(text) == ACTIONS.names.index("move forward"):
                    tried, failed = tried + 1, failed + (env.unwrapped.state()["agent"] == before)
        blocked[rate] = failed / tried
    assert blocked[0.2] < blocked[0.0] + 0.06  # with a stale plan, 0.11 more


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
