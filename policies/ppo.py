"""PPO in the dream, and out again: train in a learned world, then play the same policy in the real twin.

    python -m policies.ppo --starts data/doorkey data/empty --output runs/ppo
    python -m policies.ppo --env real --starts data/doorkey data/empty --output runs/ppo_real    # the same PPO, reality
    python -m policies.ppo --refresh 4 --real-steps 20000 --starts data/doorkey data/empty --output runs/ppo_dyna

Nothing of a held-out layout reaches PPO: recordings and the twin it trains in are of the split "train", the twin that
judges it is of "test". With `--refresh` the dream learns from what the policy meets in the real twin
(`policies.ppo_refresh`). Run it again after a stop: it goes on from its last checkpoint, with new noise.
"""

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import torch
import tyro
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

import wm_gym
from policies.ppo_config import PPOConfig
from policies.ppo_network import POLICY_ARGUMENTS
from policies.ppo_recipe import keep_recipe
from policies.ppo_refresh import check_refresh, finished_rounds, refresh, refreshed_starts, world_after
from policies.ppo_starts import ReverseCurriculum, StartBank
from policies.ppo_worlds import PROGRESS, make_bank, make_twin, make_vec_env
from wm_gym.checkpoint import read_card
from wm_gym.evaluation.intervals import wilson_interval
from wm_gym.evaluation.provenance import machine
from wm_gym.evaluation.rollouts import rollout_seed
from wm_gym.evaluation.transfer_episodes import BatchPolicy, play_twins

assert wm_gym  # registers the ids

_WATCH, _FINAL = 1, 2  # streams of the real layouts that training is watched on, and that the result is of
_DIAGNOSTICS = ("entropy_loss", "explained_variance", "approx_kl", "clip_fraction", "value_loss")  # as SB3 names them
_MODEL, _RESULT = "policy.zip", "result.json"


def train(config: PPOConfig) -> dict[str, Any]:
    """Trains, or goes on training, and returns the result that it also writes.

    Raises:
        ValueError: the config cannot be kept to, or is another than the one that the output folder was begun with.
    """
    check_refresh(config)
    keep_recipe(config)
    for done in range(len(finished_rounds(config)), config.refresh + 1):
        model, bank = learn(config, share=(done + 1) / (config.refresh + 1))
        if done < config.refresh:
            refresh(config, as_policy(model), dreamt_steps=model.num_timesteps, reach=told_reach(bank))
    result = {
        "real": evaluate(as_policy(model), config, stream=_FINAL, episodes=config.episodes),
        "steps": model.num_timesteps,
        "rounds": finished_rounds(config),
        "config": json.loads(json.dumps(asdict(config), default=str)),
        "weights_hash": read_card(config.checkpoint or config.world).weights_hash if config.env == "dream" else None,
        "machine": machine("cpu"),
    }
    (config.output / _RESULT).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def learn(config: PPOConfig, *, share: float = 1.0) -> tuple[PPO, StartBank | None]:
    """Trains up to a share of the steps, in the worlds as the rounds so far have left them."""
    rounds = finished_rounds(config)
    config = replace(config, checkpoint=world_after(config, rounds), starts=refreshed_starts(config, rounds))
    bank = make_bank(config)
    vec_env = make_vec_env(config, bank)
    path = config.output / _MODEL
    if path.exists():
        rate = {"learning_rate": falling(config.learning_rate, share)}
        model = PPO.load(path, env=vec_env, device="cpu", custom_objects=rate)
        model.set_random_seed(config.seed + model.num_timesteps)  # loading seeds all as at the very beginning
    else:
        model = build(config, vec_env, share)
    remaining = math.ceil(share * config.steps) - model.num_timesteps
    if remaining > 0:
        callbacks: list[BaseCallback] = [Watch(config, bank)]
        if bank is not None and config.curriculum is not None:
            callbacks.append(ReverseCurriculum(bank, config.curriculum, config.success_return))
        model.learn(remaining, callback=callbacks, reset_num_timesteps=False)
        save(model, config)
    vec_env.close()
    return model, bank


def build(config: PPOConfig, vec_env: VecEnv, share: float = 1.0) -> PPO:
    """A PPO that has not trained yet."""
    model = PPO(
        "CnnPolicy",
        vec_env,
        learning_rate=falling(config.learning_rate, share),
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


def falling(start: float, share: float = 1.0) -> Callable[[float], float]:
    """A learning rate that falls linearly to a tenth over all of training.

    Args:
        start: at the beginning.
        share: of all steps that lies before the next stop. stable-baselines3 asks with what remains of it.
    """
    return lambda remaining: start * (0.1 + 0.9 * (1 - share * (1 - remaining)))


def told_reach(bank: StartBank | None) -> float | None:
    """How far the starts are open, for JSON: None where all are."""
    return None if bank is None or bank.reach == math.inf else bank.reach


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
        For each layout: success, its Wilson 95 % interval, the mean return, its standard error (0 of a single episode),
        n, mean length, and the seeds of the resets.
    """
    kinds = config.layouts or (config.world,)
    num = len(kinds)
    twins = [make_twin(config, index, split="test", horizon=config.real_horizon) for index in range(num * episodes)]
    texts = twins[0].get_wrapper_attr("get_action_meanings")()
    seeds = [rollout_seed(config.seed, index, stream=stream) for index in range(len(twins))]
    torch.manual_seed(config.seed)
    played = play_twins(policy, twins, texts=texts, seeds=seeds, max_steps=config.real_horizon)
    wins, lengths, returns = played.successes(config.success_return), played.lengths, played.returns
    return {
        kind: {
            "success": float(wins[row::num].mean()),
            "interval": wilson_interval(int(wins[row::num].sum()), episodes),
            "return": float(returns[row::num].mean()),
            "standard_error": float(returns[row::num].std(ddof=int(episodes > 1))) / math.sqrt(episodes),
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
            "reach": told_reach(self._bank),
            **{name: float(self.logger.name_to_value[f"train/{name}"]) for name in _DIAGNOSTICS},
            "real": {
                kind: {name: each[name] for name in ("success", "return", "n", "length")} for kind, each in real.items()
            },
        }
        with (self._config.output / PROGRESS).open("a", encoding="utf-8") as file:
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
