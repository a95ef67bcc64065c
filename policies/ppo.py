"""PPO in the dream, and out again: train in a learned world, then play the same policy in the real twin.

    python -m policies.ppo --starts data/doorkey data/empty --output runs/ppo
    python -m policies.ppo --env real --starts data/doorkey data/empty --output runs/ppo_real    # the same PPO, reality

Nothing of a held-out layout reaches PPO: recordings and the twin it trains in are of the split "train", the twin that
judges it is of "test". Run it again after a stop: it goes on from its last checkpoint, with new noise.
"""

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import torch
import tyro
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

import wm_gym
from policies.ppo_network import POLICY_ARGUMENTS
from policies.ppo_starts import ReplayedStarts, ReverseCurriculum, StartBank, draw_starts, replay
from wm_gym.data.dataset import Dataset
from wm_gym.evaluation.intervals import wilson_interval
from wm_gym.evaluation.provenance import machine
from wm_gym.evaluation.rollouts import rollout_seed
from wm_gym.evaluation.transfer_episodes import BatchPolicy, play_twins
from wm_gym.sb3 import as_vec_env
from wm_gym.worlds import WORLDS

assert wm_gym  # registers the ids

_WATCH, _FINAL = 1, 2  # streams of the real layouts that training is watched on, and that the result is of
_DIAGNOSTICS = ("entropy_loss", "explained_variance", "approx_kl", "clip_fraction", "value_loss")  # as SB3 names them
_MODEL, _PROGRESS, _RESULT = "policy.zip", "progress.jsonl", "result.json"


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """What to train, where, and how to judge it.

    Attributes:
        output: folder of checkpoints, progress and result.
        env: "dream" trains in the learned world alone, "real" in the real twin.
        world: its name.
        checkpoint: of the learned world; None takes the shipped one.
        layouts: kinds of layouts to start from and to evaluate, for twins that have them.
        starts: recorded datasets whose episodes training starts within, at any step; none takes the checkpoint's start
            observations (dream) or the twin's own resets (real). Only their pictures are used, never their actions.
        num_starts: starts drawn from them.
        curriculum: start a step before recorded successes, and further away each time that this share of episodes
            succeeds; None starts at any step from the beginning.
        steps: env steps in all.
        num_envs: worlds side by side.
        horizon: steps of an episode while training.
        temperature: scale of the dream's noise; None takes the checkpoint's.
        max_uncertainty: end a dream above it; None never does.
        sample_outcomes: draw a dream's rewards and ends from their probabilities, instead of the likelier.
        rollout_steps: steps of each world between updates.
        batch_size: samples of a gradient step.
        epochs: passes over a rollout.
        learning_rate: at the start; it falls linearly to a tenth.
        gamma: discount. It is what makes short ways better: rewards here do not decay.
        gae_lambda: of the advantage.
        entropy: weight of the entropy bonus.
        seed: of the network, the actions and the worlds.
        initial: a policy to begin from (an SB3 zip, such as a cloned one); None begins from nothing.
        checkpoint_steps: steps between checkpoints, each of which is watched in the real twin.
        episodes: real episodes of the result, for each layout.
        watch_episodes: real episodes of each watch, for each layout.
        real_horizon: steps of a real episode.
        success_return: an episode with at least this return is a success.
        tensorboard: folder of TensorBoard logs; None writes none.
        device: where the dream runs, as torch names it.
    """

    output: Path
    env: Literal["dream", "real"] = "dream"
    world: str = "minigrid"
    checkpoint: str | None = None
    layouts: tuple[str, ...] = ("empty", "doorkey")
    starts: tuple[Path, ...] = ()
    num_starts: int = 8192
    curriculum: float | None = 0.8
    steps: int = 600_000
    num_envs: int = 64
    horizon: int = 48
    temperature: float | None = None
    max_uncertainty: float | None = None
    sample_outcomes: bool = False
    rollout_steps: int = 32
    batch_size: int = 256
    epochs: int = 6
    learning_rate: float = 5e-4
    gamma: float = 0.97
    gae_lambda: float = 0.95
    entropy: float = 0.01
    seed: int = 0
    initial: Path | None = None
    checkpoint_steps: int = 20_480
    episodes: int = 100
    watch_episodes: int = 25
    real_horizon: int = 256
    success_return: float = 0.5
    tensorboard: Path | None = None
    device: str = "cpu"


def train(config: PPOConfig) -> dict[str, Any]:
    """Trains, or goes on training, and returns the result that it also writes."""
    config.output.mkdir(parents=True, exist_ok=True)
    bank = make_bank(config)
    vec_env = make_vec_env(config, bank)
    path = config.output / _MODEL
    model = PPO.load(path, env=vec_env, device="cpu") if path.exists() else build(config, vec_env)
    remaining = config.steps - model.num_timesteps
    if remaining > 0:
        callbacks: list[BaseCallback] = [Watch(config, bank)]
        if bank is not None and config.curriculum is not None:
            callbacks.append(ReverseCurriculum(bank, config.curriculum, config.success_return))
        model.learn(remaining, callback=callbacks, reset_num_timesteps=False)
        save(model, config)
    result = {
        "real": evaluate(as_policy(model), config, stream=_FINAL, episodes=config.episodes),
        "steps": model.num_timesteps,
        "config": json.loads(json.dumps(asdict(config), default=str)),
        "machine": machine("cpu"),
    }
    (config.output / _RESULT).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    vec_env.close()
    return result


def build(config: PPOConfig, vec_env: VecEnv) -> PPO:
    """A PPO that has not trained yet."""
    model = PPO(
        "CnnPolicy",
        vec_env,
        learning_rate=falling(config.learning_rate),
        n_steps=config.rollout_steps,
        batch_size=config.batch_size,
        n_epochs=config.epochs,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        ent_coef=config.entropy,
        policy_kwargs=POLICY_ARGUMENTS,
        seed=config.seed,
        tensorboard_log=None if config.tensorboard is None else str(config.tensorboard),
        device="cpu",
    )
    if config.initial is not None:
        model.set_parameters(str(config.initial), exact_match=False, device="cpu")
    return model


def falling(start: float) -> Callable[[float], float]:
    """A learning rate that falls linearly to a tenth; its argument is the share of training that remains."""
    return lambda remaining: start * (0.1 + 0.9 * remaining)


def make_bank(config: PPOConfig) -> StartBank | None:
    """The starts, as far open as the last line of progress says; None where the config names no data."""
    if not config.starts:
        return None
    datasets = [Dataset.open(folder) for folder in config.starts]
    starts = draw_starts(datasets, config.num_starts, seed=config.seed, layouts=config.layouts)
    progress = config.output / _PROGRESS
    if config.curriculum is None:
        return StartBank(starts, math.inf)
    last = json.loads(progress.read_text(encoding="utf-8").splitlines()[-1]) if progress.exists() else {"reach": 1}
    return StartBank(starts, math.inf if last["reach"] is None else last["reach"])


def make_vec_env(config: PPOConfig, bank: StartBank | None) -> VecEnv:
    """The worlds to train in, behind stable-baselines3's interface."""
    vec_env = make_dreams(config, bank) if config.env == "dream" else make_twins(config, bank)
    vec_env.seed(config.seed)
    return VecMonitor(vec_env)


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
    )
    if bank is not None:
        chunks = torch.stack([torch.from_numpy(start.chunk) for start in bank.starts])
        model = envs.unwrapped.model
        bank.listen(lambda rows: setattr(model, "starts", {config.world: chunks[rows]}))
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


def as_policy(model: PPO) -> BatchPolicy:
    """The policy of a model, drawing its actions."""
    return lambda observations: model.predict(observations, deterministic=False)[0]


def evaluate(policy: BatchPolicy, config: PPOConfig, *, stream: int, episodes: int) -> dict[str, Any]:
    """Plays held-out layouts of the real twin.

    Args:
        policy: who acts.
        config: says which world and layouts.
        stream: of the seeds; streams share no seeds.
        episodes: for each layout.

    Returns:
        For each layout: success, its Wilson 95 % interval, n, mean length, and the seeds of the resets.
    """
    kinds = config.layouts or (config.world,)
    num = len(kinds)
    twins = [make_twin(config, index, split="test", horizon=config.real_horizon) for index in range(num * episodes)]
    texts = twins[0].get_wrapper_attr("get_action_meanings")()
    seeds = [rollout_seed(config.seed, index, stream=stream) for index in range(len(twins))]
    torch.manual_seed(config.seed)
    played = play_twins(policy, twins, texts=texts, seeds=seeds, max_steps=config.real_horizon)
    wins, lengths = played.successes(config.success_return), played.lengths
    return {
        kind: {
            "success": float(wins[row::num].mean()),
            "interval": wilson_interval(int(wins[row::num].sum()), episodes),
            "n": episodes,
            "length": float(lengths[row::num].mean()),
            "seeds": seeds[row::num],
        }
        for row, kind in enumerate(kinds)
    }


class Watch(BaseCallback):
    """Saves a checkpoint every so many steps, and writes down how it does in the real twin."""

    def __init__(self, config: PPOConfig, bank: StartBank | None) -> None:
        super().__init__()
        self._config = config
        self._bank = bank
        self._began = time.perf_counter()
        self._next = 0

    def _on_training_start(self) -> None:
        self._next = self.model.num_timesteps + self._config.checkpoint_steps

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        """Between an update and the next rollout: what is saved here is whole."""
        model = self.model
        assert isinstance(model, PPO), "train makes no other"
        if model.num_timesteps >= self._next:
            self._next += self._config.checkpoint_steps
            save(model, self._config)
            self._write(model)

    def _write(self, model: PPO) -> None:
        """A line of progress."""
        returns = [float(episode["r"]) for episode in model.ep_info_buffer or ()]
        generator = torch.get_rng_state()
        real = evaluate(as_policy(model), self._config, stream=_WATCH, episodes=self._config.watch_episodes)
        torch.set_rng_state(generator)  # watching must not change the run
        line = {
            "steps": model.num_timesteps,
            "seconds": time.perf_counter() - self._began,  # since the start or the last stop
            "training_return": sum(returns) / max(1, len(returns)),
            "reach": None if self._bank is None or self._bank.reach == math.inf else self._bank.reach,
            **{name: float(self.logger.name_to_value[f"train/{name}"]) for name in _DIAGNOSTICS},
            "real": {kind: {name: each[name] for name in ("success", "n", "length")} for kind, each in real.items()},
        }
        with (self._config.output / _PROGRESS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def save(model: PPO, config: PPOConfig) -> None:
    """Writes a checkpoint under its number of steps and as the last one; a kill leaves the one before, whole."""
    path = config.output / f"policy_{model.num_timesteps:08}.zip"
    model.save(path)
    new = config.output / f"{_MODEL}.new"
    shutil.copyfile(path, new)
    new.replace(config.output / _MODEL)


if __name__ == "__main__":
    outcome = train(tyro.cli(PPOConfig, description=__doc__))
    print(json.dumps({"steps": outcome["steps"], "real": outcome["real"]}, indent=1))
