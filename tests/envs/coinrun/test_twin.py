"""The CoinRun twin: what each action does to procgen's state, ends, splits, exact copies, and errors that help."""

import json
import pickle
import subprocess
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs.coinrun.actions import ACTIONS
from envs.coinrun.library import Game
from envs.coinrun.reader import TOLERANCE
from envs.coinrun.state import CRATE, SPACE, WALL_TOP, Level, parse, without_time_limit
from envs.coinrun.twin import CoinRun, CoinRunTwin, split_of

TEXT, DISCRETE = "envs:real/CoinRun-v0", "envs:real/CoinRunDiscrete-v0"


def make(id: str = TEXT, **arguments: Any) -> Any:
    """`gym.make`; `Any`, since Gymnasium types `unwrapped` as its base."""
    return gym.make(id, **arguments)


def draw_texts(seed: int, count: int) -> list[str]:
    """Random canonical texts."""
    return [ACTIONS.names[i] for i in np.random.default_rng(seed).integers(len(ACTIONS.names), size=count)]


def play(level: int, *texts: str) -> Level:
    """The level with this seed after these actions from its start."""
    simulator = CoinRun()
    simulator.restore(Game(level).save())
    for text in texts:
        simulator.step(ACTIONS.index(text))
    return simulator.level


def stands_on_a_crate(level: Level) -> bool:
    """Whether a crate, and nothing else, holds the player."""
    x, feet = level.player.x, level.player.y - 0.5787
    below = [level.grid[int(feet - 0.5), int(x + side)] for side in (-0.5, 0.5)]
    crates = [each for each in level.things if each.kind == CRATE and abs(each.x - x) < 1]
    return SPACE in below and WALL_TOP not in below and any(abs(each.y + 0.5 - feet) < 0.01 for each in crates)


def onto_a_crate() -> CoinRun:
    """A simulator whose player has jumped to the right and waited, until it stood on a crate."""
    simulator = CoinRun()
    for seed in range(100):
        simulator.restore(Game(seed).save())
        for text in (["jump right"] * 2 + ["run right"] + ["wait"] * 5) * 3:
            if simulator.step(ACTIONS.index(text))[1]:
                break
            if simulator.level.player.vy == 0 and stands_on_a_crate(simulator.level):
                return simulator
    raise AssertionError("no such jump in 100 levels ends on a crate")


@pytest.mark.parametrize("id", [TEXT, DISCRETE])
def test_check_env_passes_without_warnings(id: str) -> None:
    check_env(make(id, render_mode="rgb_array").unwrapped)


def test_run_right_moves_the_player_right_along_the_ground() -> None:
    start, after = play(0), play(0, "run right")
    assert after.player.x - start.player.x == pytest.approx(0.82, abs=0.01) and after.player.y == start.player.y


def test_run_left_moves_the_player_back() -> None:
    there, back = play(0, "run right", "run right"), play(0, "run right", "run right", "run left", "run left")
    assert back.player.x < there.player.x - 0.3 and not back.faces_right


def test_wait_brings_a_running_player_to_a_stop() -> None:
    after = play(0, "run right", "wait", "wait", "wait")
    assert after.player.vx == 0 and after.player.x == play(0, "run right", "wait", "wait").player.x


def test_jump_raises_the_player_by_six_tiles_and_lands_in_four_steps() -> None:
    heights = [play(0, *["jump"] + ["wait"] * count).player.y for count in range(5)]
    rise = np.subtract(heights, play(0).player.y)
    np.testing.assert_allclose(rise, [4.8, 6.4, 4.8, 0, 0], atol=0.01)


@pytest.mark.parametrize(("text", "sign"), [("jump left", -1), ("jump right", 1)])
def test_jump_to_a_side_leaves_the_ground_and_drifts_there(text: str, sign: int) -> None:
    run_up = ["run right"] * 3
    beside, straight = play(1, *run_up, "wait", "wait", text), play(1, *run_up, "wait", "wait", "jump")
    assert beside.player.y == straight.player.y and sign * (beside.player.x - straight.player.x) > 0.05


def test_drop_down_leaves_a_crate_and_wait_does_not() -> None:
    simulator = onto_a_crate()
    saved, height = simulator.clone(), simulator.level.player.y
    simulator.step(ACTIONS.index("wait"))
    stays = simulator.level.player.y
    simulator.restore(saved)
    simulator.step(ACTIONS.index("drop down"))
    assert stays == height and simulator.level.player.y < height - 0.9


def run_into_an_end(wants_coin: bool) -> tuple[Any, Any, Any]:
    """The observation before and the answer at the first end of the wanted kind, jumping right through levels."""
    env = make()
    for seed in range(100):
        observation, _ = env.reset(seed=seed)
        for step in range(60):
            before = observation
            observation, reward, terminated, *rest = answer = env.step("jump right" if step % 5 else "run right")
            if terminated and wants_coin == (reward > 0):
                return env, before, answer
            if terminated:
                break
    raise AssertionError("no end of this kind in 100 levels")


def test_coin_gives_ten_and_terminates() -> None:
    assert run_into_an_end(wants_coin=True)[2][1:4] == (10.0, True, False)


def test_death_gives_nothing_and_terminates() -> None:
    assert run_into_an_end(wants_coin=False)[2][1:4] == (0.0, True, False)


def test_last_observation_shows_the_level_that_ended() -> None:
    env, _, answer = run_into_an_end(wants_coin=True)
    level = env.unwrapped.simulator.level
    assert np.hypot(*np.subtract(level.coin, (level.player.x, level.player.y))) < 3
    np.testing.assert_array_equal(env.unwrapped.simulator.frame(), answer[0][0])


def test_level_outlasts_procgens_time_limit() -> None:
    game = Game(0)
    game.restore(without_time_limit(game.save()))
    assert not any(game.act(4)[1] for _ in range(1001)) and parse(game.save()).ticks == 1001


def test_same_seed_and_texts_give_the_same_episode() -> None:
    episodes = []
    for _ in range(2):
        env = make()
        frames = [env.reset(seed=5)[0]]
        for text in draw_texts(5, 40):
            observation, _, terminated, *_ = env.step(text)
            frames.append(observation)
            if terminated:
                break
        episodes.append(np.stack(frames))
    np.testing.assert_array_equal(episodes[0], episodes[1])


def test_discrete_actions_are_the_texts_in_order() -> None:
    text, discrete = make(), make(DISCRETE)
    np.testing.assert_array_equal(text.reset(seed=3)[0][-1], discrete.reset(seed=3)[0])
    for name in ACTIONS.names:
        np.testing.assert_array_equal(text.step(name)[0][-1], discrete.step(ACTIONS.names.index(name))[0])


def test_levels_of_a_split_are_of_that_split() -> None:
    for split in ("train", "test"):
        env = make(split=split)
        for seed in range(10):
            env.reset(seed=seed)
            assert split_of(env.unwrapped.simulator.level) == split


def test_layouts_repeat_under_other_seeds_and_keep_their_split() -> None:
    levels = [parse(Game(seed).save()) for seed in range(300)]
    splits: dict[bytes, set[str]] = {}
    for level in levels:
        splits.setdefault(level.layout, set()).add(split_of(level))
    assert len(splits) < len(levels) and all(len(each) == 1 for each in splits.values())
    assert 0.05 < np.mean([split_of(level) == "test" for level in levels]) < 0.25


def test_restored_state_repeats_the_same_answers() -> None:
    twin = make().unwrapped
    twin.reset(seed=7)
    saved = twin.clone_state(include_rng=True)
    texts = draw_texts(8, 20)

    def answers() -> list[bytes]:
        frames = []
        for text in texts:
            observation, _, terminated, *_ = twin.step(text)
            frames += [observation.tobytes(), twin.simulator.clone()]
            if terminated:
                break
        return [*frames, twin.reset()[0].tobytes()]

    first = answers()
    twin.restore_state(saved)
    assert answers() == first


def test_pickled_env_goes_on_alike() -> None:
    twin = CoinRunTwin()
    twin.reset(seed=2)
    twin.step("jump right")
    twin_copy = pickle.loads(pickle.dumps(twin))
    np.testing.assert_array_equal(twin.step("run right")[0], twin_copy.step("run right")[0])


def test_two_games_do_not_share_a_state() -> None:
    first, second = Game(0), Game(0)
    first.act(7)
    assert parse(second.save()).ticks == 0 and parse(first.save()).ticks == 1


def test_state_is_plain_json() -> None:
    twin = CoinRunTwin()
    twin.reset(seed=0)
    assert json.loads(json.dumps(twin.state())) == twin.state()


def test_reader_finds_walls_ground_and_coin() -> None:
    twin = CoinRunTwin()
    compared = right = 0
    for seed in range(12):
        observation, _ = twin.reset(seed=seed)
        for text in ["wait", *draw_texts(seed, 15)]:
            observation, _, terminated, *_ = twin.step(text)
            true, read = twin.state(), twin.read_state(observation[0])
            both = [(true[key], read[key]) for key in true if true[key] is not None and read[key] is not None]
            compared += len(both)
            right += sum(np.abs(np.subtract(*pair)).max() < TOLERANCE for pair in both)
            if terminated:
                break
    assert compared > 200 and right >= 0.97 * compared


def test_reader_wants_a_frame() -> None:
    with pytest.raises(ValueError, match=r"frame must be a uint8 array of shape \(64, 64, 3\), got uint8 \(1, 64"):
        CoinRun().read_state(np.zeros((1, 64, 64, 3), np.uint8))


def test_bad_action_leaves_the_env_usable() -> None:
    twin = CoinRunTwin()
    twin.reset(seed=0)
    before = twin.simulator.clone()
    with pytest.raises(ValueError, match="action must be a string"):
        twin.step(3)
    assert twin.simulator.clone() == before and not twin.step("wait")[2]


def test_numbers_are_refused() -> None:
    twin = CoinRunTwin()
    twin.reset(seed=0)
    with pytest.raises(ValueError, match="this world takes no numbers"):
        twin.step(np.zeros(2, np.float32))


def test_closed_env_asks_for_a_reset() -> None:
    twin = CoinRunTwin()
    twin.reset(seed=0)
    twin.close()
    with pytest.raises(gym.error.ResetNeeded, match=r"call reset\(\) first"):
        twin.step("wait")


def test_missing_procgen_says_what_to_install() -> None:
    code = "import sys; sys.modules['procgen'] = None; import gymnasium; gymnasium.make('envs:real/CoinRun-v0')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "DependencyNotInstalled" in result.stderr and "run `pip install --no-deps procgen2`" in result.stderr
