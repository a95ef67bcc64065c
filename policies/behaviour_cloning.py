r"""Behaviour cloning: a policy that imitates recorded episodes, in the form of a PPO that can go on from it.

    wm-gym record --env envs:real/MiniGrid-v0 --env-kwargs '{"layout": "doorkey"}' --policy policies.minigrid:expert \
        --episodes 500 --output data/doorkey_expert
    python -m policies.behaviour_cloning --data data/doorkey_expert --output runs/cloned
    python -m policies.ppo --initial runs/cloned/policy.zip --starts data/minigrid --output runs/ppo_cloned

It learns from real episodes of an expert: a PPO that begins from it has not learned in the dream alone.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from jaxtyping import Float32, Int64, UInt8
from stable_baselines3 import PPO
from tqdm import trange

from policies.ppo import as_policy, build, evaluate
from policies.ppo_config import PPOConfig
from policies.ppo_worlds import make_twins
from wm_gym.data.dataset import Dataset
from wm_gym.data.episode import Episode
from wm_gym.evaluation.provenance import machine

_CLONED = 3  # stream of the real layouts that the result is of


@dataclass(frozen=True, kw_only=True)
class CloningConfig:
    """What to imitate, and for how long.

    Attributes:
        data: recorded datasets.
        output: folder of the policy and the result.
        world: the world's name.
        layouts: kinds of layouts to imitate and to evaluate, for twins that have them.
        num_episodes: the most episodes to imitate, in the order of the data; None takes all.
        only_successes: leave out episodes without a reward.
        iterations: gradient steps.
        batch_size: samples of each.
        learning_rate: of Adam.
        gamma: discount of the returns that the value function learns.
        value_weight: of the value function's loss.
        episodes: real episodes of the result, for each layout.
        seed: of the network and the batches.
    """

    data: tuple[Path, ...]
    output: Path
    world: str = "minigrid"
    layouts: tuple[str, ...] = ("empty", "doorkey")
    num_episodes: int | None = None
    only_successes: bool = True
    iterations: int = 2000
    batch_size: int = 256
    learning_rate: float = 1e-3
    gamma: float = 0.97
    value_weight: float = 0.5
    episodes: int = 100
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Demonstrations:
    """Steps of episodes.

    Attributes:
        observations: what was seen, as stable-baselines3's networks take it.
        actions: the number of the action that was taken.
        returns: discounted sum of the rewards that followed.
    """

    observations: UInt8[np.ndarray, "n 3 height width"]
    actions: Int64[np.ndarray, " n"]
    returns: Float32[np.ndarray, " n"]


def load(config: CloningConfig) -> tuple[Demonstrations, int]:
    """Reads the data.

    Returns:
        The steps, and the number of episodes.

    Raises:
        ValueError: no episode of the data is to be imitated.
    """
    frames: list[np.ndarray] = []
    actions: list[int] = []
    returns: list[float] = []
    chosen = islice(episodes_to_imitate(config), config.num_episodes)
    for numbers, episode in chosen:
        frames.append(episode.observations[:-1, -1])
        actions += [numbers[text] for text in episode.actions]
        returns += discounted(episode.rewards.tolist(), config.gamma)
    if not frames:
        raise ValueError(
            f"data must hold episodes to imitate, got none in {', '.join(map(str, config.data))}; record an expert"
        )
    observations = np.concatenate(frames).transpose(0, 3, 1, 2)
    steps = Demonstrations(
        observations=np.ascontiguousarray(observations),
        actions=np.array(actions, np.int64),
        returns=np.array(returns, np.float32),
    )
    return steps, len(frames)


def episodes_to_imitate(config: CloningConfig) -> Iterator[tuple[dict[str, int], Episode]]:
    """The episodes that the config asks for, in order, each with the number of every text."""
    for folder in config.data:
        dataset = Dataset.open(folder)
        numbers = action_numbers(dataset.manifest.action_phrases.values())
        for index, entry in enumerate(dataset.entries):
            if config.only_successes and entry.total_reward <= 0:
                continue
            episode = dataset[index]
            if not config.layouts or episode.info.get("layout") in config.layouts:
                yield numbers, episode


def action_numbers(phrases: Iterable[Sequence[str]]) -> dict[str, int]:
    """Every phrasing -> the number of its action."""
    return {text: number for number, texts in enumerate(phrases) for text in texts}


def discounted(rewards: Sequence[float], gamma: float) -> list[float]:
    """The discounted sum of the rewards from each step on."""
    total, sums = 0.0, []
    for reward in reversed(rewards):
        total = reward + gamma * total
        sums.append(total)
    return sums[::-1]


def clone(model: PPO, steps: Demonstrations, config: CloningConfig) -> float:
    """Fits the policy to the actions and the value function to the returns.

    Returns:
        Mean cross entropy of the actions over the last tenth of training, in nats.
    """
    rng = np.random.default_rng(config.seed)
    optimizer = torch.optim.Adam(model.policy.parameters(), lr=config.learning_rate)
    losses: list[float] = []
    model.policy.set_training_mode(True)
    for _ in trange(config.iterations, desc="clone"):
        rows = rng.integers(len(steps.actions), size=config.batch_size)
        observations, actions = torch.from_numpy(steps.observations[rows]), torch.from_numpy(steps.actions[rows])
        values, log_probability, _ = model.policy.evaluate_actions(observations, actions)
        imitation = -log_probability.mean()
        value_error = (values.flatten() - torch.from_numpy(steps.returns[rows])).pow(2).mean()
        optimizer.zero_grad()
        (imitation + config.value_weight * value_error).backward()
        optimizer.step()
        losses.append(float(imitation.detach()))
    model.policy.set_training_mode(False)
    return float(np.mean(losses[-max(1, len(losses) // 10) :]))


def train(config: CloningConfig) -> dict[str, Any]:
    """Clones, evaluates in the real twin, and returns the result that it also writes."""
    config.output.mkdir(parents=True, exist_ok=True)
    steps, num_episodes = load(config)
    plain = PPOConfig(
        output=config.output, env="real", world=config.world, layouts=config.layouts, num_envs=8, seed=config.seed
    )
    model = build(plain, make_twins(plain, None))
    cross_entropy = clone(model, steps, config)
    model.save(config.output / "policy.zip")
    result = {
        "real": evaluate(as_policy(model), plain, stream=_CLONED, episodes=config.episodes),
        "num_episodes": num_episodes,
        "num_steps": len(steps.actions),
        "cross_entropy": cross_entropy,
        "config": json.loads(json.dumps(asdict(config), default=str)),
        "machine": machine("cpu"),
    }
    (config.output / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


if __name__ == "__main__":
    outcome = train(tyro.cli(CloningConfig, description=__doc__))
    print({kind: each["success"] for kind, each in outcome["real"].items()})
