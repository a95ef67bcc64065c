"""PPO that refreshes its dream: what a round costs and leaves, and going on after a stop."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import policies.ppo_refresh
from policies.minigrid import explorer
from policies.ppo import train
from policies.ppo_config import PPOConfig
from policies.ppo_refresh import Speaker, check_refresh
from tests.evaluation.untrained import write_untrained
from wm_gym.checkpoint import read_card
from wm_gym.data.dataset import Dataset
from wm_gym.data.recording import record
from wm_gym.training.loop_config import LoopConfig

TWIN = "envs:real/MiniGrid-v0"
HORIZON, BUDGET = 3, 24  # steps


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny world of MiniGrid with random weights."""
    return str(write_untrained(tmp_path_factory.mktemp("refresh"), "minigrid"))


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was recorded before."""
    env = gym.make(TWIN, disable_env_checker=True)
    folder = tmp_path_factory.mktemp("data") / "old"
    return record(env, explorer, output=folder, num_episodes=8, max_steps=8, progress=False).folder


def tiny(output: Path, checkpoint: str, **changes: Any) -> PPOConfig:
    """Two rounds of one iteration, between three updates of two worlds."""
    config = PPOConfig(
        output=output,
        checkpoint=checkpoint,
        steps=24,
        num_envs=2,
        rollout_steps=4,
        batch_size=8,
        epochs=1,
        horizon=3,
        checkpoint_steps=1000,
        episodes=1,
        real_horizon=HORIZON,
        refresh=2,
        real_steps=BUDGET,
        finetune=LoopConfig(num_iterations=1, warmup_iterations=0),
    )
    return replace(config, **changes)


@pytest.fixture(scope="module")
def whole(checkpoint: str, old: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody stopped."""
    output = tmp_path_factory.mktemp("whole")
    train(tiny(output, checkpoint, starts=(old,), num_starts=8, layouts=("empty", "doorkey")))
    return output


def rounds_of(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "rounds.jsonl").read_text().splitlines()]


def test_a_line_a_round_says_what_it_cost_and_what_came_of_it(whole: Path, checkpoint: str) -> None:
    first, second = rounds_of(whole)
    assert [first["dreamt_steps"], second["dreamt_steps"]] == [8, 16]
    assert first["finetuned_from"] == read_card(checkpoint).weights_hash
    assert second["finetuned_from"] == first["weights_hash"] == read_card(whole / "round_01" / "world").weights_hash
    assert second["weights_hash"] == read_card(whole / second["world"]).weights_hash
    assert len({first["finetuned_from"], first["weights_hash"], second["weights_hash"]}) == 3
    assert json.loads((whole / "result.json").read_text())["rounds"] == [first, second]


def test_rounds_stay_within_the_budget_of_real_steps(whole: Path) -> None:
    lines = rounds_of(whole)
    for number, line in enumerate(lines, start=1):
        recorded = [Dataset.open(whole / folder) for folder in line["recordings"]]
        assert line["real_steps"] == sum(data.num_steps for data in recorded)
        assert sum(each["real_steps"] for each in lines[:number]) <= BUDGET * number // 2
        for data, told in zip(recorded, line["real"].values(), strict=True):
            returns = [episode.total_reward for episode in data]
            assert told == {
                "steps": data.num_steps,
                "success": np.mean([reward >= 0.5 for reward in returns]),
                "n": len(data),
            }
    assert sum(line["real_steps"] for line in lines) > BUDGET - 2 * 2 * HORIZON  # no whole episode more was sure to fit


def test_recordings_are_of_layouts_to_train_on(whole: Path) -> None:
    for layout in ("empty", "doorkey"):
        data = Dataset.open(whole / "round_01" / f"real_{layout}")
        assert json.loads(data.manifest.env_arguments["split"]) == "train"
        assert {episode.info["layout"] for episode in data} == {layout}


def test_later_rounds_record_other_episodes(whole: Path) -> None:
    seeds = [{episode.seed for episode in Dataset.open(whole / f"round_0{k}" / "real_empty")} for k in (1, 2)]
    assert not seeds[0] & seeds[1]


def test_old_and_earlier_recordings_are_replayed(whole: Path, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def stop(checkpoint: Any, data: Any, **arguments: Any) -> None:
        given.update(arguments, checkpoint=checkpoint)
        raise InterruptedError

    (line, _) = rounds_of(whole)
    monkeypatch.setattr(policies.ppo_refresh, "finetune", stop)
    copied = whole.with_name("copied")
    copied.mkdir(exist_ok=True)
    (copied / "rounds.jsonl").write_text(json.dumps(line) + "\n")
    (copied / "round_01").symlink_to(whole / "round_01")
    with pytest.raises(InterruptedError):
        policies.ppo_refresh.refresh(
            tiny(copied, "unused", starts=(old,), layouts=("empty", "doorkey")),
            lambda observations: np.zeros(len(observations), np.int64),
            dreamt_steps=16,
            reach=None,
        )
    assert given["checkpoint"] == str(copied / "round_01" / "world")
    assert given["replay"] == [old, *(copied / folder for folder in line["recordings"])]


def test_a_killed_round_goes_on_and_ends_the_same(
    checkpoint: str, old: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(tmp_path, checkpoint, starts=(old,), num_starts=8, layouts=("empty", "doorkey"))
    tune = policies.ppo_refresh.finetune

    def die(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    def tune_once(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(policies.ppo_refresh, "finetune", die)
        return tune(*arguments, **options)

    monkeypatch.setattr(policies.ppo_refresh, "finetune", die)
    with pytest.raises(KeyboardInterrupt):
        train(config)
    assert not (tmp_path / "rounds.jsonl").exists()
    (file, *_) = sorted((tmp_path / "round_01" / "real_doorkey" / "episodes").glob("*.npz"))[-1:]
    index = file.parents[1] / "episodes.jsonl"
    index.write_text("".join(index.read_text().splitlines(keepends=True)[:-1]))  # as if killed within an episode
    monkeypatch.setattr(policies.ppo_refresh, "finetune", tune_once)
    with pytest.raises(KeyboardInterrupt):
        train(config)
    (line,) = rounds_of(tmp_path)
    assert {**line, "seconds": 0.0} == {**rounds_of(whole)[0], "seconds": 0.0}


def test_a_finished_run_does_nothing_twice(whole: Path, checkpoint: str, old: Path) -> None:
    before = (whole / "rounds.jsonl").read_bytes(), (whole / "policy.zip").read_bytes()
    train(tiny(whole, checkpoint, starts=(old,), num_starts=8, layouts=("empty", "doorkey")))
    assert ((whole / "rounds.jsonl").read_bytes(), (whole / "policy.zip").read_bytes()) == before


def test_rounds_of_another_budget_are_not_gone_on_with(whole: Path, checkpoint: str, old: Path) -> None:
    with pytest.raises(ValueError, match="refresh and real_steps must stay 2 and 24, .* got 2 and 48"):
        train(tiny(whole, checkpoint, real_steps=48, starts=(old,), num_starts=8, layouts=("empty", "doorkey")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"refresh": -1}, "refresh must be at least 0"),
        ({"env": "real"}, "refresh must be at least 0, and 0 where env is not \"dream\", got 2 with 'real'"),
        ({"real_steps": 11}, "real_steps must be at least 12, an episode of 3 steps of each layout"),
        ({"lora_rank": -1}, "lora_rank must be at least 0, got -1"),
        ({"replay": (Path("nowhere"),)}, "dataset must be a folder, got nowhere"),
    ],
)
def test_what_cannot_be_kept_to_is_refused_before_anything_runs(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_refresh(tiny(tmp_path, "unused", **changes))


def test_an_episode_depends_on_its_seed_alone() -> None:
    env = gym.make(TWIN, disable_env_checker=True)

    def policy(observations: Any) -> Any:
        return torch.randint(7, (len(observations),)).numpy()  # draws as stable-baselines3 does

    said = []
    for _ in range(2):
        torch.rand(5)
        observation, _ = env.reset(seed=0)
        act = Speaker(policy=policy)(env, np.random.default_rng(3))
        said.append([act(observation) for _ in range(20)])
    assert said[0] == said[1] and len(set(said[0])) > 7  # in several phrasings
