"""The Doom twins: Gymnasium's rules, actions that do what they say, exact replays, splits and clear errors."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs.doom.twin import MyWayHomeTwin, TakeCoverTwin
from envs.twin import Twin

TWINS = [TakeCoverTwin, MyWayHomeTwin]


@pytest.fixture(scope="module")
def twins() -> Iterator[dict[type[Twin], Any]]:
    """One of each: an engine takes a while to start."""
    made = {cls: cls() for cls in TWINS}
    yield made
    for twin in made.values():
        twin.close()


@pytest.fixture(params=TWINS, ids=["take_cover", "my_way_home"])
def twin(request: pytest.FixtureRequest, twins: dict[type[Twin], Any]) -> Any:
    return twins[request.param]


@pytest.fixture
def hall(twins: dict[type[Twin], Any]) -> Any:
    return twins[TakeCoverTwin]


@pytest.fixture
def maze(twins: dict[type[Twin], Any]) -> Any:
    return twins[MyWayHomeTwin]


def draw_texts(twin: Any, seed: int, count: int) -> list[str]:
    """Random canonical texts, each held for four steps."""
    names = twin.get_action_meanings()
    return [names[i] for i in np.random.default_rng(seed).integers(len(names), size=count // 4).repeat(4)]


def live(twin: Any, texts: list[str]) -> list[Any]:
    """What the steps give until the end of the episode, comparable."""
    lived = []
    for text in texts:
        observation, reward, terminated, *_ = twin.step(text)
        lived.append((observation.tobytes(), reward, terminated, twin.state()))
        if terminated:
            break
    return lived


def hold(twin: Any, seed: int, text: str, steps: int = 4) -> np.ndarray:
    """How far the player gets, seen from where it started: (forward, to the left, turned left)."""
    twin.reset(seed=seed)
    x, y, angle = twin.simulator.pose()
    for _ in range(steps):
        twin.step(text)
    new_x, new_y, new_angle = twin.simulator.pose()
    way = complex(new_x - x, new_y - y) * np.exp(-1j * np.radians(angle))
    return np.array([way.real, way.imag, (new_angle - angle + 180) % 360 - 180])


def die(twin: Any, seed: int = 0) -> tuple[list[Any], float]:
    """Waits for a fireball; the steps and their total reward."""
    twin.reset(seed=seed)
    lived = live(twin, ["wait"] * 300)
    return lived, sum(step[1] for step in lived)


@pytest.mark.parametrize("id", ["DoomTakeCover", "DoomTakeCoverDiscrete", "DoomMyWayHome", "DoomMyWayHomeDiscrete"])
def test_check_env_passes(id: str) -> None:
    env = gym.make(f"envs:real/{id}-v0", render_mode="rgb_array")
    check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize("id", ["DoomTakeCover", "DoomMyWayHome"])
def test_episode_is_truncated_after_525_steps(id: str) -> None:
    assert gym.spec(f"real/{id}-v0").max_episode_steps == 525


def test_text_observation_is_a_chunk_of_one_frame(twin: Any) -> None:
    assert twin.reset(seed=0)[0].shape == (1, 64, 64, 3)


def test_same_seed_and_texts_give_the_same_episode(twin: Any) -> None:
    episodes = []
    for seed in (5, 6, 5):
        first, _ = twin.reset(seed=seed)
        episodes.append([first.tobytes(), *live(twin, draw_texts(twin, 0, 40))])
    assert episodes[0] == episodes[2] != episodes[1]


def test_an_engine_of_its_own_gives_the_same_episode(hall: Any) -> None:
    other = TakeCoverTwin()
    episodes = []
    for twin in (hall, other):
        twin.reset(seed=7)
        episodes.append(live(twin, draw_texts(twin, 1, 60)))
    other.close()
    assert episodes[0] == episodes[1]


def test_restored_state_goes_on_alike(twin: Any) -> None:
    twin.reset(seed=3)
    live(twin, draw_texts(twin, 2, 12))
    saved = twin.clone_state()
    expected = live(twin, draw_texts(twin, 3, 20))
    twin.reset(seed=4)
    twin.restore_state(saved)
    assert live(twin, draw_texts(twin, 3, 20)) == expected


def test_state_restored_at_the_start_shows_the_start(twin: Any) -> None:
    observation, _ = twin.reset(seed=3)
    saved = twin.clone_state()
    live(twin, draw_texts(twin, 2, 12))
    twin.restore_state(saved)
    np.testing.assert_array_equal(twin.simulator.frame(), observation[0])


def test_state_restored_after_the_end_is_over(hall: Any) -> None:
    lived, _ = die(hall)
    saved = hall.clone_state()
    hall.reset(seed=8)
    hall.restore_state(saved)
    assert hall.simulator.frame().tobytes() == lived[-1][0]
    with pytest.raises(gym.error.ResetNeeded, match="after the episode terminated"):
        hall.step("wait")


def test_seeds_of_the_splits_are_even_and_odd() -> None:
    for split, parity in (("train", 0), ("test", 1)):
        twin = TakeCoverTwin(split=split)
        assert {int(twin.reset(seed=seed)[1]["seed"]) % 2 for seed in range(6)} == {parity}
        twin.close()


def test_eighths_of_angles_start_only_one_split() -> None:
    sectors: dict[str, set[tuple[float, float, int]]] = {"train": set(), "test": set()}
    for split, starts in sectors.items():
        twin = MyWayHomeTwin(split=split)
        for seed in range(40):
            twin.reset(seed=seed)
            x, y, angle = twin.simulator.pose()
            starts.add((round(x), round(y), int(angle // 45)))
        twin.close()
    assert not sectors["train"] & sectors["test"] and len(sectors["train"]) > 20 and len(sectors["test"]) > 8


@pytest.mark.parametrize(("text", "sign"), [("move left", 1), ("move right", -1)])
def test_steps_aside_lead_aside(hall: Any, text: str, sign: int) -> None:
    forward, aside, turned = hold(hall, 1, text)
    assert 20 < sign * aside < 60 and abs(forward) < 1 and turned == 0


@pytest.mark.parametrize(("text", "sign"), [("turn left", 1), ("turn right", -1)])
def test_turns_turn_on_the_spot(maze: Any, text: str, sign: int) -> None:
    forward, aside, turned = hold(maze, 1, text)
    assert 40 < sign * turned < 60 and abs(forward) + abs(aside) < 1


def test_turns_to_both_sides_cancel_after_a_pause(maze: Any) -> None:
    maze.reset(seed=1)
    angle = maze.state()["angle"]
    live(maze, ["turn left"] * 5 + ["wait"] + ["turn right"] * 5)
    assert maze.state()["angle"] == pytest.approx(angle, abs=0.1)


@pytest.mark.parametrize(("text", "sign"), [("move forward", 1), ("move back", -1)])
def test_walks_lead_along_the_view(maze: Any, text: str, sign: int) -> None:
    ways = np.array([hold(maze, seed, text, 2) for seed in range(8)])  # some starts face a wall
    assert (sign * ways[:, 0] > -1).all() and np.median(sign * ways[:, 0]) > 15 and not ways[:, 2].any()


def test_waiting_stays(twin: Any) -> None:
    np.testing.assert_allclose(hold(twin, 1, "wait"), 0.0, atol=0.01)


def test_living_gives_a_point_a_tick(hall: Any) -> None:
    hall.reset(seed=0)
    assert hall.step("wait")[1:3] == (4.0, False)


def test_waiting_in_the_hall_is_deadly(hall: Any) -> None:
    lived, total = die(hall)
    *_, (_, _, terminated, state) = lived
    assert terminated and state["health"] == 0 and 4 * len(lived) - 4 < total <= 4 * len(lived)


def test_last_frame_differs_from_the_one_before(hall: Any) -> None:
    lived, _ = die(hall)
    frames = [np.frombuffer(step[0], np.uint8).reshape(64, 64, 3)[:60].astype(int) for step in lived[-2:]]
    assert np.abs(frames[1] - frames[0]).max() > 50


def test_living_in_the_maze_costs(maze: Any) -> None:
    maze.reset(seed=0)
    assert maze.step("wait")[1] == pytest.approx(-0.0004)


def test_state_is_plain_json(twin: Any) -> None:
    twin.reset(seed=0)
    state = twin.state()
    assert json.loads(json.dumps(state)) == state


def test_is_valid_wants_the_hall_and_no_healing(hall: Any) -> None:
    state = {"position": 300.0, "health": 58.0}
    changes: tuple[dict[str, float], ...] = ({}, {"health": 37.0}, {"health": 79.0}, {"position": 780.0})
    assert [hall.is_valid(state, state | change) for change in changes] == [True, True, False, False]


def test_simulator_writes_nothing_into_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    twin = MyWayHomeTwin()
    twin.reset(seed=0)
    twin.close()
    assert os.listdir(tmp_path) == []


def test_forgotten_twin_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    twin = MyWayHomeTwin()
    assert len(os.listdir(tmp_path)) == 1
    del twin
    gc.collect()
    assert os.listdir(tmp_path) == []


def test_bad_action_leaves_the_env_usable(twin: Any) -> None:
    twin.reset(seed=0)
    before = twin.state()
    with pytest.raises(ValueError, match="action must be a text"):
        twin.step(np.zeros(2, np.float32))
    assert twin.state() == before and not twin.step("wait")[2]


def test_missing_vizdoom_says_what_to_install() -> None:
    code = "import sys; sys.modules['vizdoom'] = None; import gymnasium; gymnasium.make('envs:real/DoomTakeCover-v0')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'run `pip install "wm-gym[doom]"`' in ran.stderr
