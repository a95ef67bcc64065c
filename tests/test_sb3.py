"""`as_vec_env`: what stable-baselines3 sees of a batch of worlds."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

import wm_gym
from tests.endless_worlds import set_termination_logit
from tests.production import unchecked
from tests.worlds import FRAME_SIZE
from wm_gym.sb3 import WorldVecEnv, as_vec_env

assert wm_gym  # registers

MODES = ["NextStep", "SameStep", "Disabled"]
ID = "wm_gym/WorldDiscrete-v0"
ACTIONS = np.array([0, 2, 3])


def make(checkpoint: Path, mode: str = "NextStep", limit: int = 3, **arguments: Any) -> Any:
    """Three worlds in one batch."""
    return gym.make_vec(
        ID, num_envs=3, checkpoint=checkpoint, max_episode_steps=limit, autoreset_mode=mode, **arguments
    )


@pytest.fixture
def vec_env(checkpoint: Path) -> WorldVecEnv:
    return as_vec_env(make(checkpoint, render_mode="rgb_array"))


@pytest.mark.parametrize("mode", MODES)
def test_steps_are_those_of_dummy_vec_env(checkpoint: Path, mode: str) -> None:
    ours = as_vec_env(make(checkpoint, mode))
    theirs = DummyVecEnv([lambda: gym.make(ID, checkpoint=checkpoint, max_episode_steps=3)] * 3)
    ours.seed(2), theirs.seed(2)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    for _ in range(7):
        mine: Any = ours.step(ACTIONS)
        other: Any = theirs.step(ACTIONS)
        np.testing.assert_allclose(mine[0].astype(int), np.asarray(other[0]).astype(int), atol=1)
        np.testing.assert_allclose(mine[1], other[1], atol=1e-4)
        assert mine[1].dtype == other[1].dtype
        np.testing.assert_array_equal(mine[2], other[2])
        for info, expected in zip(mine[3], other[3], strict=True):
            assert expected.keys() <= info.keys()
            assert info["TimeLimit.truncated"] is expected["TimeLimit.truncated"]
            assert ("terminal_observation" in info) == ("terminal_observation" in expected)
            assert info["uncertainty"] == pytest.approx(expected["uncertainty"], abs=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_terminal_observation_is_the_last_of_the_old_episode(checkpoint: Path, mode: str) -> None:
    vec_env, watched = as_vec_env(make(checkpoint, mode)), make(checkpoint, "Disabled", limit=9)
    vec_env.seed(0)
    vec_env.reset(), watched.reset(seed=0)
    for _ in range(3):
        observations: Any
        observations, _, dones, infos = vec_env.step(ACTIONS)
        last = watched.step(ACTIONS)[0]
    assert dones.all()
    for row in range(3):
        np.testing.assert_array_equal(infos[row]["terminal_observation"], last[row])
        assert vec_env.reset_infos[row]["start"] == "index"
        start = vec_env.vector_env.unwrapped.model.starts["slide"][vec_env.reset_infos[row]["index"]]  # type: ignore
        np.testing.assert_array_equal(observations[row], start[-1].numpy())
        assert vec_env.reset_infos[row].keys() == {"start", "index"}
        assert not {"start", "index", "final_obs", "final_info"} & infos[row].keys()


def test_a_terminated_episode_is_not_truncated(vec_env: WorldVecEnv) -> None:
    set_termination_logit(vec_env.get_attr("model")[0], 9.0)
    vec_env.reset()
    infos = vec_env.step(ACTIONS)[3]
    assert [info["TimeLimit.truncated"] for info in infos] == [False] * 3


def test_vec_monitor_sees_every_episode(vec_env: WorldVecEnv) -> None:
    monitor = VecMonitor(vec_env)
    monitor.reset()
    ended = [info["episode"]["l"] for _ in range(7) for info in monitor.step(ACTIONS)[3] if "episode" in info]
    assert ended == [3] * 6


@pytest.mark.parametrize("mode", MODES)
def test_statistics_of_a_vector_wrapper_arrive(checkpoint: Path, mode: str) -> None:
    vec_env = as_vec_env(RecordEpisodeStatistics(make(checkpoint, mode)))
    vec_env.reset()
    ended = [int(info["episode"]["l"]) for _ in range(7) for info in vec_env.step(ACTIONS)[3] if "episode" in info]
    assert ended == [3] * 6


def test_seed_repeats_and_is_used_once(vec_env: WorldVecEnv) -> None:
    def starts() -> list[list[int]]:
        vec_env.seed(3)
        found = []
        for _ in range(4):
            vec_env.reset()
            found.append([info["index"] for info in vec_env.reset_infos])
        return found

    first = starts()
    assert first == starts()
    assert len({tuple(each) for each in first}) > 1


def test_options_reach_the_reset(vec_env: WorldVecEnv) -> None:
    vec_env.set_options({"index": 2})
    vec_env.reset()
    assert [info["index"] for info in vec_env.reset_infos] == [2, 2, 2]
    vec_env.set_options([{"index": 2}, {"index": 1}, {}])
    with pytest.raises(ValueError, match="options must be one dict for all worlds"):
        vec_env.reset()


def test_attributes_and_methods_answer_for_each_world(vec_env: WorldVecEnv) -> None:
    assert vec_env.get_attr("world", indices=[0, 2]) == ["slide", "slide"]
    assert vec_env.get_attr("action_space", indices=1) == [gym.spaces.Discrete(4)]
    assert vec_env.env_method("get_action_meanings") == [["go left", "go right", "go down", "wait"]] * 3
    assert not vec_env.has_attr("nothing")
    assert vec_env.env_is_wrapped(gym.Wrapper) == [False] * 3


def test_what_acts_on_single_worlds_is_refused(vec_env: WorldVecEnv) -> None:
    with pytest.raises(AttributeError, match="env_method must not act on single worlds, got 'step'"):
        vec_env.env_method("step", 0)
    with pytest.raises(AttributeError, match="temperature must be an argument of make_vec"):
        vec_env.set_attr("temperature", 2.0)


def test_render_tiles_the_worlds(vec_env: WorldVecEnv) -> None:
    vec_env.reset()
    picture = vec_env.render()
    assert picture is not None
    assert picture.shape == (2 * FRAME_SIZE[0], 2 * FRAME_SIZE[1], 3)


def test_ppo_runs_on_pixels_and_is_evaluated() -> None:
    envs = gym.make_vec("wm_gym/MiniGridDiscrete-v0", num_envs=4, max_episode_steps=10)
    vec_env = VecMonitor(as_vec_env(envs))
    ppo = PPO("CnnPolicy", vec_env, n_steps=16, batch_size=32, n_epochs=1, seed=0)
    ppo.learn(256)
    assert ppo.num_timesteps == 256
    assert 24 <= len(ppo.ep_info_buffer or ()) <= 50
    returns: Any = evaluate_policy(ppo, vec_env, n_eval_episodes=4, return_episode_rewards=True)[0]
    assert len(returns) == 4


def test_other_envs_are_clear_errors(checkpoint: Path) -> None:
    with unchecked(), pytest.raises(ValueError, match="vector_env must be a Gymnasium VectorEnv, got"):
        as_vec_env(gym.make(ID, checkpoint=checkpoint))  # type: ignore[arg-type]
    texts = gym.make_vec("wm_gym/World-v0", num_envs=2, checkpoint=checkpoint)
    with pytest.raises(ValueError, match="vector_env must have Discrete or Box actions, got Text"):
        as_vec_env(texts)


def test_without_the_package_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['stable_baselines3'] = None; import wm_gym.sb3"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "DependencyNotInstalled" in done.stderr
    assert 'pip install "wm-gym[sb3]"' in done.stderr
