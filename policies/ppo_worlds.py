"""The worlds that `policies.ppo` trains and is judged in: dreams, real twins, and the starts that both begin at."""

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper, VecMonitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from policies.ppo_config import PPOConfig
from policies.ppo_starts import OpenChunks, ReplayedStarts, StartBank, draw_starts, replay
from wm_gym.data.dataset import Dataset
from wm_gym.sb3 import as_vec_env
from wm_gym.worlds import WORLDS

PROGRESS, ROUNDS = "progress.jsonl", "rounds.jsonl"  # in the output folder


def make_bank(config: PPOConfig) -> StartBank | None:
    """The starts, as far open as progress says; None where the config names no data.

    Raises:
        ValueError: they are of held-out layouts, or none can be drawn.
    """
    if not config.starts:
        return None
    datasets = [open_recording(folder) for folder in config.starts]
    starts = draw_starts(datasets, config.num_starts, seed=config.seed, layouts=config.layouts)
    return StartBank(starts, math.inf if config.curriculum is None else _reach(config.output))


def open_recording(folder: Path) -> Dataset:
    """Opens what is learned from.

    Raises:
        ValueError: it is no dataset, or of held-out layouts.
    """
    dataset = Dataset.open(folder)
    split = json.loads(dataset.manifest.env_arguments.get("split", '"train"'))  # the twins' own default
    if split != "train":
        raise ValueError(
            f'starts and replay must be recorded on the split "train", got "{split}" in {folder}, which judges; '
            "record anew"
        )
    return dataset


def _reach(output: Path) -> float:
    """How far the starts were open when this was last written down; they never close again."""
    lines = [line for name in (PROGRESS, ROUNDS) for line in read_lines(output / name)]
    return max([1.0, *(math.inf if line["reach"] is None else float(line["reach"]) for line in lines)])


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of JSON in a file; none where there is no file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def make_vec_env(config: PPOConfig, bank: StartBank | None) -> VecEnv:
    """The worlds to train in, behind stable-baselines3's interface."""
    vec_env = make_dreams(config, bank) if config.env == "dream" else make_twins(config, bank)
    vec_env.seed(config.seed)
    return ScaledRewards(VecMonitor(vec_env), config.reward_scale)


class ScaledRewards(VecEnvWrapper):
    """Multiplies rewards; what a `VecMonitor` below it says of episodes stays as it is."""

    def __init__(self, vec_env: VecEnv, scale: float) -> None:
        super().__init__(vec_env)
        self._scale = scale

    def reset(self) -> VecEnvObs:
        """As below."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """As below, but for the rewards."""
        observations, rewards, dones, infos = self.venv.step_wait()
        return observations, self._scale * rewards, dones, infos


def make_dreams(config: PPOConfig, bank: StartBank | None) -> VecEnv:
    """A batch of dreams."""
    envs: Any = gym.make_vec(
        "wm_gym/WorldDiscrete-v0",
        num_envs=config.num_envs,
        world=config.world,
        checkpoint=config.checkpoint,
        max_episode_steps=config.horizon,
        temperature=config.temperature,
        max_uncertainty=config.max_uncertainty,
        sample_outcomes=config.sample_outcomes,
        device=config.device,
        starts=None if bank is None else OpenChunks(bank),
    )
    return as_vec_env(envs)


def make_twins(config: PPOConfig, bank: StartBank | None) -> VecEnv:
    """Real twins, in this process: they are fast."""
    states = [] if bank is None else replay(bank.starts, WORLDS[config.world].twin)

    def make(index: int) -> gym.Env[Any, Any]:
        env = make_twin(config, index, split="train", horizon=config.horizon, kind="Discrete")
        return env if bank is None else ReplayedStarts(env, bank, states)

    return DummyVecEnv([partial(make, index) for index in range(config.num_envs)])


def make_twin(config: PPOConfig, index: int, *, split: str, horizon: int, kind: str = "") -> gym.Env[Any, Any]:
    """The real twin, its layouts taking turns over `index`; `kind` "Discrete" takes numbered actions, "" texts."""
    options = {"layout": config.layouts[index % len(config.layouts)]} if config.layouts else {}
    twin_id = f"envs:real/{WORLDS[config.world].id_name}{kind}-v0"
    return gym.make(twin_id, split=split, max_episode_steps=horizon, disable_env_checker=True, **options)
