"""PPO in dreams and real twins: starts from data, what is written, and going on after a stop."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from policies.minigrid import expert, explorer
from policies.ppo import falling, learn, train
from policies.ppo_config import PPOConfig
from policies.ppo_network import TileFeatures
from policies.ppo_recipe import keep_recipe
from policies.ppo_starts import (
    FEWEST_EPISODES,
    ReplayedStarts,
    ReverseCurriculum,
    Start,
    StartBank,
    draw_starts,
    replay,
)
from policies.ppo_worlds import ScaledRewards, make_bank, make_dreams, make_twin, make_twins
from tests.evaluation.untrained import write_untrained
from wm_gym.data.dataset import Dataset
from wm_gym.data.recording import record

TWIN = "envs:real/MiniGrid-v0"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny world of MiniGrid with random weights."""
    return str(write_untrained(tmp_path_factory.mktemp("ppo"), "minigrid"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Episodes of the twin in all kinds of layouts."""
    folder = tmp_path_factory.mktemp("data") / "recorded"
    env = gym.make(TWIN, disable_env_checker=True)
    return record(env, explorer, output=folder, num_episodes=16, max_steps=8, progress=False)


@pytest.fixture(scope="module")
def starts(dataset: Dataset) -> list[Start]:
    return draw_starts([dataset], 12, seed=0, layouts=("doorkey", "rooms"))


def tiny(output: Path, checkpoint: str, **changes: Any) -> PPOConfig:
    """Two updates of two worlds."""
    config = PPOConfig(
        output=output,
        checkpoint=checkpoint,
        steps=16,
        num_envs=2,
        rollout_steps=4,
        batch_size=8,
        epochs=1,
        horizon=3,
        checkpoint_steps=8,
        episodes=2,
        watch_episodes=1,
        real_horizon=3,
    )
    return replace(config, **changes)


def test_starts_are_steps_of_recorded_episodes(dataset: Dataset, starts: list[Start]) -> None:
    episodes = {episode.seed: episode for episode in dataset}
    assert len(starts) == 12
    for start in starts:
        episode = episodes[start.seed]
        assert episode.info["layout"] in ("doorkey", "rooms")
        assert start.actions == episode.actions[: len(start.actions)]
        assert len(start.actions) < episode.num_steps
        np.testing.assert_array_equal(start.chunk, episode.observations[len(start.actions)])
    assert len({len(start.actions) for start in starts}) > 1


def test_starts_of_a_missing_layout_are_refused(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="starts must be datasets with seeds and episodes of castle, got none"):
        draw_starts([dataset], 4, seed=0, layouts=("castle",))


def test_the_real_twin_begins_where_the_recording_was(starts: list[Start]) -> None:
    twin: Any = gym.make("envs:real/MiniGridDiscrete-v0", max_episode_steps=2)
    env = ReplayedStarts(twin, StartBank(starts, math.inf), replay(starts, TWIN))
    known = {start.chunk[-1].tobytes() for start in starts}
    seen = {env.reset(seed=seed)[0].tobytes() for seed in range(40)}
    assert seen <= known and len(seen) > len(known) / 2
    assert not env.step(6)[3] and env.step(6)[3]  # the time limit begins anew with the episode


def test_each_start_has_its_own_state_whatever_their_order(starts: list[Start]) -> None:
    first = max(starts, key=lambda start: len(start.actions))
    several = [replace(first, actions=(), chunk=first_chunk(first)), *reversed(starts), first]  # one episode thrice
    twin: Any = gym.make(TWIN).unwrapped
    for start, state in zip(several, replay(several, TWIN), strict=True):
        twin.reset(seed=0)
        twin.restore_state(state)
        np.testing.assert_array_equal(twin.simulator.frame(), start.chunk[-1])


def first_chunk(start: Start) -> Any:
    """What its episode began with."""
    twin: Any = gym.make(TWIN, **{name: json.loads(value) for name, value in start.arguments})
    return twin.reset(seed=start.seed)[0]


def test_a_recording_of_another_twin_is_refused(starts: list[Start]) -> None:
    other = replace(starts[0], seed=starts[0].seed + 1000)
    with pytest.raises(ValueError, match="starts must be recorded in .* as it is now, got another picture"):
        replay([other], TWIN)


def test_dreams_begin_at_the_starts(checkpoint: str, starts: list[Start], tmp_path: Path) -> None:
    vec_env = make_dreams(tiny(tmp_path, checkpoint), StartBank(starts, math.inf))
    known = {start.chunk[-1].tobytes() for start in starts}
    vec_env.seed(0)
    frames: Any = vec_env.reset()
    assert {frame.tobytes() for frame in frames} <= known
    for _ in range(3):  # to the horizon, where all worlds begin anew
        frames, _, dones, _ = vec_env.step(np.zeros(2, np.int64))
    assert dones.all() and {frame.tobytes() for frame in frames} <= known


def test_dreams_begin_further_away_once_the_bank_is_wider(checkpoint: str, tmp_path: Path) -> None:
    shades = {distance: np.full((1, 64, 64, 3), 40 * distance, np.uint8) for distance in (1, 2)}
    bank = StartBank(
        [Start(chunk=shade, seed=0, actions=(), arguments=(), distance=far) for far, shade in shades.items()], 1
    )
    vec_env = make_dreams(tiny(tmp_path, checkpoint), bank)
    vec_env.seed(0)
    assert {int(frame.max()) for _ in range(8) for frame in np.asarray(vec_env.reset())} == {40}
    bank.open(2)
    assert {int(frame.max()) for _ in range(8) for frame in np.asarray(vec_env.reset())} == {40, 80}


def test_the_learner_sees_scaled_rewards_and_reports_do_not() -> None:
    vec_env = ScaledRewards(VecMonitor(DummyVecEnv([lambda: gym.make("CartPole-v1")])), 0.1)
    vec_env.reset()
    steps, done = 0, False
    while not done:
        _, rewards, dones, infos = vec_env.step(np.zeros(1, np.int64))
        assert rewards == pytest.approx([0.1])
        steps, done = steps + 1, bool(dones[0])
    assert infos[0]["episode"]["r"] == steps


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan])
def test_reward_scale_out_of_range_is_refused(scale: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="reward_scale must be above 0 and finite"):
        PPOConfig(output=tmp_path, reward_scale=scale)


def bank_of(*distances: float) -> StartBank:
    """A bank of empty pictures, open to one step."""
    chunk = np.zeros((1, 8, 8, 3), np.uint8)
    return StartBank(
        [Start(chunk=chunk, seed=0, actions=(), arguments=(), distance=distance) for distance in distances], 1
    )


def test_distance_counts_the_steps_to_the_recorded_success(tmp_path: Path) -> None:
    env = gym.make(TWIN, layout="empty", disable_env_checker=True)
    solved = record(env, expert, output=tmp_path / "solved", num_episodes=4, max_steps=32, progress=False)
    starts = draw_starts([solved], 20, seed=0)
    lengths = {episode.seed: episode.num_steps for episode in solved}
    assert len(replay(starts, TWIN)) == 20  # with the layout that was recorded
    assert [start.distance for start in starts] == sorted(lengths[start.seed] - len(start.actions) for start in starts)


def test_recordings_without_success_are_infinitely_far(starts: list[Start]) -> None:
    assert {start.distance for start in starts} == {math.inf}  # the explorer never enters the goal


def test_a_bank_opens_from_near_to_far_and_at_last_all() -> None:
    bank = bank_of(1, 1, 2, 3, 20, math.inf)
    seen = [bank.num_open]
    while bank.num_open < 6:
        bank.widen()
        seen.append(len(set(bank.rows.tolist())))
    assert seen[:3] == [2, 3, 4]
    assert seen[-2:] == [5, 6]
    assert bank_of(4, 9).num_open == 1  # the nearest, where nothing is as near as asked


def test_half_of_the_episodes_begin_on_the_frontier() -> None:
    bank = bank_of(*range(1, 11))
    bank.open(10)
    assert np.bincount(bank.rows).tolist() == [1] * 7 + [5, 4, 4]  # 8, 9 and 10 steps away
    bank.open(math.inf)
    assert np.bincount(bank.rows).tolist() == [2] * 10  # all of them are beginnings


def test_starts_move_only_after_success() -> None:
    bank = bank_of(1, 2, 3)
    curriculum = ReverseCurriculum(bank, threshold=0.8, success_return=0.5)
    for rewards, reach in (([0.0, 1.0], 1), ([1.0], 2), ([1.0] * 9 + [0.0], 3)):
        curriculum.locals = {"infos": [{"episode": {"r": reward}} for reward in rewards]}
        for _ in range(4 * FEWEST_EPISODES):
            curriculum._on_step()
        curriculum._on_rollout_end()
        assert bank.reach == reach
    curriculum.locals = {"infos": [{"episode": {"r": 1.0}}, {}]}
    curriculum._on_step()
    curriculum._on_rollout_end()
    assert bank.reach == 3  # too few episodes to say


def test_real_training_and_judging_never_share_layouts(checkpoint: str, tmp_path: Path) -> None:
    config = tiny(tmp_path, checkpoint)
    training: Any = make_twins(config, None)
    assert {env.unwrapped.split for env in training.envs} == {"train"}
    assert [env.unwrapped.simulator.layout for env in training.envs] == ["empty", "doorkey"]
    judge: Any = make_twin(config, 1, split="test", horizon=5)
    assert judge.unwrapped.split == "test"


@pytest.mark.parametrize("env", ["dream", "real"])
def test_training_writes_checkpoints_progress_and_result(checkpoint: str, tmp_path: Path, env: Any) -> None:
    result = train(tiny(tmp_path, checkpoint, env=env))
    assert result["steps"] == 16
    assert (result["weights_hash"] is not None) == (env == "dream")
    assert {kind: each["n"] for kind, each in result["real"].items()} == {"empty": 2, "doorkey": 2}
    assert all(each["return"] == each["success"] and each["standard_error"] >= 0 for each in result["real"].values())
    assert json.loads((tmp_path / "result.json").read_text())["steps"] == 16
    (line,) = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert line["steps"] == 8 and set(line["real"]) == {"empty", "doorkey"}
    assert sorted(path.name for path in tmp_path.glob("policy*")) == [
        "policy.zip",
        "policy_00000008.zip",
        "policy_00000016.zip",
    ]


def test_a_stopped_curriculum_goes_on_where_it_was(checkpoint: str, tmp_path: Path) -> None:
    env = gym.make(TWIN, layout="empty", disable_env_checker=True)
    solved = record(env, expert, output=tmp_path / "solved", num_episodes=4, max_steps=32, progress=False)
    config = tiny(tmp_path, checkpoint, starts=(solved.folder,), num_starts=20)
    for lines, reach in (("", 1), ('{"reach": 3}\n{"reach": 7}\n', 7), ('{"reach": null}\n', math.inf)):
        (tmp_path / "progress.jsonl").write_text(lines)
        bank = make_bank(config)
        assert bank is not None and bank.reach == max(reach, bank.starts[0].distance)


def test_a_curriculum_that_is_all_open_is_written_down(checkpoint: str, dataset: Dataset, tmp_path: Path) -> None:
    config = tiny(tmp_path, checkpoint, starts=(dataset.folder,), num_starts=8, layouts=())
    bank = make_bank(config)
    assert bank is not None and bank.num_open == 8  # all are infinitely far
    train(config)
    assert json.loads((tmp_path / "progress.jsonl").read_text().splitlines()[-1])["reach"] is None


def test_a_stopped_run_goes_on_from_its_checkpoint(checkpoint: str, tmp_path: Path) -> None:
    train(tiny(tmp_path, checkpoint, env="real", steps=8))
    first = (tmp_path / "policy_00000008.zip").stat().st_mtime_ns
    assert train(tiny(tmp_path, checkpoint, env="real", steps=24))["steps"] == 24
    assert (tmp_path / "policy_00000008.zip").stat().st_mtime_ns == first
    assert (tmp_path / "policy_00000024.zip").exists()


def test_another_recipe_is_not_gone_on_with(checkpoint: str, tmp_path: Path) -> None:
    config = tiny(tmp_path, checkpoint, env="real", steps=8)
    keep_recipe(config)
    keep_recipe(replace(config, steps=16, episodes=3))
    with pytest.raises(ValueError, match=r"entropy was 0.01, is 0.5; seed was 0, is 1; restore it, or choose another"):
        keep_recipe(replace(config, entropy=0.5, seed=1))
    recipe = tmp_path / "recipe.json"
    begun = json.loads(recipe.read_text())
    del begun["gamma"], begun["finetune"]["shard"]
    recipe.write_text(json.dumps(begun))
    keep_recipe(config)  # of a time when there was no such option
    with pytest.raises(ValueError, match=r"gamma was 0.97, is 0.5"):
        keep_recipe(replace(config, gamma=0.5))
    other = write_untrained(tmp_path / "other", "minigrid", past_frames=2)
    keep_recipe(tiny(tmp_path / "dream", checkpoint))
    with pytest.raises(ValueError, match="weights_hash was"):
        train(tiny(tmp_path / "dream", str(other)))


def test_a_resumed_run_draws_other_noise(checkpoint: str, tmp_path: Path) -> None:
    config = tiny(tmp_path, checkpoint, env="real", steps=8)
    learn(config)
    learn(config)  # resumes, with nothing left to do
    assert torch.initial_seed() == config.seed + 8


def test_starts_of_held_out_layouts_are_refused(checkpoint: str, tmp_path: Path) -> None:
    env = gym.make(TWIN, split="test", disable_env_checker=True)
    held_out = record(env, explorer, output=tmp_path / "test", num_episodes=1, max_steps=2, progress=False)
    with pytest.raises(ValueError, match='starts and replay must be recorded on the split "train", got "test" in'):
        make_bank(tiny(tmp_path, checkpoint, starts=(held_out.folder,), layouts=()))


def test_learning_rate_falls_to_a_tenth() -> None:
    rate = falling(1e-3)
    assert rate(1.0) == pytest.approx(1e-3)
    assert rate(0.0) == pytest.approx(1e-4)


def test_learning_rate_falls_over_all_stretches_of_training() -> None:
    first, last = falling(1e-3, share=0.5), falling(1e-3, share=1.0)
    assert first(0.0) == pytest.approx(last(0.5)) == pytest.approx(5.5e-4)


def test_the_network_sees_every_tile() -> None:
    torch.manual_seed(0)
    network = TileFeatures(gym.spaces.Box(0, 255, (3, 32, 32), np.uint8))
    pictures = torch.rand(1, 3, 32, 32, requires_grad=True)
    network(pictures).sum().backward()
    assert pictures.grad is not None
    assert (pictures.grad.abs().reshape(3, 4, 8, 4, 8).sum((0, 2, 4)) > 0).all()


def test_the_network_refuses_pictures_that_are_not_made_of_tiles() -> None:
    with pytest.raises(ValueError, match="observations must have sides that are multiples of 8, got"):
        TileFeatures(gym.spaces.Box(0, 255, (3, 30, 32), np.uint8))
