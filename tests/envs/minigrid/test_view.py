"""The twin seen from within: MiniGrid's own moves and view, nothing that changes, and places that can be told apart."""

import json
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from minigrid.minigrid_env import MiniGridEnv

from envs.minigrid.actions import ACTIONS as MINIGRID_ACTIONS
from envs.minigrid.view import MiniGridViewTwin
from envs.minigrid.view_actions import ACTIONS

TEXT, DISCRETE = "envs:real/MiniGridView-v0", "envs:real/MiniGridViewDiscrete-v0"


def make(id: str = TEXT, **arguments: Any) -> Any:
    """`gym.make`; `Any`, since Gymnasium types `unwrapped` as its base."""
    return gym.make(id, **arguments)


def draw_texts(seed: int, count: int) -> list[str]:
    """Random canonical texts."""
    return [ACTIONS.names[i] for i in np.random.default_rng(seed).integers(len(ACTIONS.names), size=count)]


@pytest.mark.parametrize("id", [TEXT, DISCRETE])
def test_check_env_passes_without_warnings(id: str) -> None:
    check_env(make(id, render_mode="rgb_array").unwrapped)


def test_words_are_minigrids_for_moving_and_waiting() -> None:
    assert ACTIONS.names == ("turn left", "turn right", "move forward", "wait")
    for name in ACTIONS.names:
        assert ACTIONS.phrases[name] == MINIGRID_ACTIONS.phrases[name]
        assert ACTIONS.unseen_phrases[name] == MINIGRID_ACTIONS.unseen_phrases[name]


def test_discrete_actions_are_the_texts_in_order() -> None:
    text, discrete = make(TEXT), make(DISCRETE)
    text.reset(seed=3), discrete.reset(seed=3)
    for name in draw_texts(0, 50):
        np.testing.assert_array_equal(text.step(name)[0][-1], discrete.step(ACTIONS.names.index(name))[0])


def test_frame_is_minigrids_own_view_but_for_the_highlight_and_the_rim() -> None:
    env = make()
    env.reset(seed=1)
    grid_env = env.unwrapped.simulator.grid_env
    assert type(grid_env).step is MiniGridEnv.step and type(grid_env).gen_obs_grid is MiniGridEnv.gen_obs_grid
    for text in draw_texts(1, 40):
        frame = env.step(text)[0][0]
        expected = grid_env.get_pov_render(8).astype(float)  # highlit: 30 % of the way to white
        np.testing.assert_allclose(frame[:56, :56] + 0.3 * (255.0 - frame[:56, :56]), expected, atol=2)
        assert not frame[56:].any() and not frame[:, 56:].any()


def test_agent_moves_into_the_cell_above_it_and_turns_on_the_spot() -> None:
    twin = make().unwrapped
    moves = turns = 0
    for seed in range(6):
        twin.reset(seed=seed)
        for text in draw_texts(seed, 60):
            (x, y, direction), ahead = twin.simulator.pose, twin.state()["view"]["3,5"]
            twin.step(text)
            dx, dy = ((1, 0), (0, 1), (-1, 0), (0, -1))[direction]
            walks = text == "move forward" and ahead.split()[-1] == "floor"
            turned = (direction + {"turn left": -1, "turn right": 1}.get(text, 0)) % 4
            assert twin.simulator.pose == (x + dx * walks, y + dy * walks, turned)
            moves, turns = moves + walks, turns + (turned != direction)
    assert moves > 20 and turns > 20


def test_nothing_is_won_and_nothing_ends() -> None:
    twin = make().unwrapped
    twin.reset(seed=0)
    assert {twin.step(text)[1:4] for text in draw_texts(0, 300)} == {(0.0, False, False)}


def test_episode_is_truncated_after_256_steps() -> None:
    env = make()
    env.reset(seed=0)
    assert [env.step("wait")[3] for _ in range(256)] == [False] * 255 + [True]


def test_way_undone_brings_the_same_frame_back() -> None:
    twin = make().unwrapped
    round_and_on = ["turn left", "turn left", "move forward", "turn left", "turn left"]
    undo = {"turn left": ["turn right"], "turn right": ["turn left"], "move forward": round_and_on}
    seen = set()
    for seed in range(8):
        first, way = twin.reset(seed=seed)[0], []
        for text in draw_texts(seed, 40):
            before = twin.simulator.pose
            seen.add(twin.step(text)[0].tobytes())
            way += [text] if twin.simulator.pose != before else []
        for text in reversed(way):
            for back in undo[text]:
                last = twin.step(back)[0]
        np.testing.assert_array_equal(last, first)
    assert len(seen) > 100


def test_world_stays_as_it_is() -> None:
    twin = make().unwrapped
    twin.reset(seed=2)
    before = twin.simulator.grid_env.grid.encode()
    for text in [*draw_texts(2, 100), "pick up", "open the door"]:
        twin.step(text)
    np.testing.assert_array_equal(twin.simulator.grid_env.grid.encode(), before)


def test_no_two_poses_of_a_layout_look_alike_but_a_few_before_a_wall() -> None:
    twin = make().unwrapped
    twin.reset(seed=0)
    grid_env, frames = twin.simulator.grid_env, []
    for index, thing in enumerate(grid_env.grid.grid):
        if thing is None or thing.can_overlap():
            for direction in range(4):
                grid_env.agent_pos, grid_env.agent_dir = (index % 17, index // 17), direction
                frames.append(twin.simulator.frame().tobytes())
    assert len(frames) > 600 and len(set(frames)) >= 0.99 * len(frames)


def test_places_in_sight_are_the_cells_of_the_view() -> None:
    twin = make().unwrapped
    for seed in range(5):
        twin.reset(seed=seed)
        grid_env, names = twin.simulator.grid_env, twin.state()["view"]
        places = twin.places_in_sight()
        assert places.shape == (8, 8) and (places[7] == -1).all() and (places[:, 7] == -1).all()
        for y in range(7):
            for x in range(7):
                thing = grid_env.grid.grid[places[y, x]]
                name = "floor" if thing is None else f"{thing.color} {thing.type}".replace("grey wall", "wall")
                assert names[f"{x},{y}"] == (name if places[y, x] >= 0 else "agent 3" if (x, y) == (3, 6) else "wall")


def test_restored_state_replays_the_same_frames() -> None:
    twin = make().unwrapped
    twin.reset(seed=7)
    saved = twin.clone_state(include_rng=True)
    first = [*(twin.step(text)[0] for text in draw_texts(8, 50)), twin.reset()[0]]
    twin.restore_state(saved)
    np.testing.assert_array_equal(first, [*(twin.step(text)[0] for text in draw_texts(8, 50)), twin.reset()[0]])


def test_pickled_env_goes_on_alike() -> None:
    twin = MiniGridViewTwin()
    twin.reset(seed=2)
    twin_copy = pickle.loads(pickle.dumps(twin))
    np.testing.assert_array_equal(twin.step("turn left")[0], twin_copy.step("turn left")[0])


def test_state_is_plain_json_and_tells_no_pose() -> None:
    twin = make().unwrapped
    twin.reset(seed=0)
    state = twin.state()
    assert json.loads(json.dumps(state)) == state
    assert (state["agent"], state["direction"], len(state["view"])) == ([3, 6], 3, 49)


def test_is_valid_wants_one_agent_at_its_place_and_readable_tiles() -> None:
    twin = make().unwrapped
    twin.reset(seed=0)
    state = twin.state()
    changes: tuple[dict[str, Any], ...]
    changes = ({}, {"num_agents": 2}, {"agent": [3, 5]}, {"direction": 0}, {"view": state["view"] | {"0,0": "?"}})
    assert [twin.is_valid(state, state | change) for change in changes] == [True, False, False, False, False]


def test_same_seed_and_texts_give_the_same_episode() -> None:
    episodes = []
    for _ in range(2):
        env = make()
        episodes.append([env.reset(seed=5)[0], *(env.step(text)[0] for text in draw_texts(5, 40))])
    np.testing.assert_array_equal(episodes[0], episodes[1])


@pytest.mark.parametrize("action", [3, None, "x" * 257, "tourne à gauche"])
def test_bad_text_is_a_clear_error_and_leaves_the_env_usable(action: object) -> None:
    twin = MiniGridViewTwin()
    twin.reset(seed=0)
    before = twin.simulator.pose
    with pytest.raises(ValueError, match=r"action must .*, got .*; "):
        twin.step(action)
    assert twin.simulator.pose == before and not twin.step("wait")[2]


@pytest.mark.parametrize("action", [4, -1, 1.5, "wait", None])
def test_bad_number_names_value_rule_and_next_step(action: object) -> None:
    twin = MiniGridViewTwin(actions="discrete")
    twin.reset(seed=0)
    with pytest.raises(ValueError, match=r"action must be an integer from 0 to 3, got .*; get_action_meanings"):
        twin.step(action)


def test_texts_that_mean_nothing_here_wait() -> None:
    twin = MiniGridViewTwin()
    first, _ = twin.reset(seed=0)
    np.testing.assert_array_equal(twin.step("pick up the key")[0], first)
