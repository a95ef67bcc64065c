"""Dyna for `policies.ppo`: play the real twin, fine-tune the dream on what was seen, and dream on.

A policy that grows good in a frozen dream goes where no recording was, and finds what the dream has wrong there. So in
each round the policy of the moment plays the real twin, and the dream learns from that: after Dyna (Sutton, 1991) and
World Models, section 5 (arXiv 1803.10122).

    output/rounds.jsonl           a line a round: real steps, real success, and which world came of it
    output/round_01/real_doorkey  what was recorded: a dataset for each layout
    output/round_01/world         the dream from then on: a checkpoint

All rounds together stay within `real_steps`; what one leaves over, such as less than the longest episode, the next may
take. A round that was killed goes on where it was: recording and fine-tuning both resume, and its line comes last.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from policies.ppo_config import PPOConfig
from policies.ppo_worlds import ROUNDS, make_twin, open_recording, read_lines
from wm_gym.checkpoint import read_card
from wm_gym.data.dataset import Dataset
from wm_gym.data.durable_writes import write_whole
from wm_gym.data.recording import Env, Policy, record
from wm_gym.evaluation.rollouts import rollout_seed
from wm_gym.evaluation.transfer_episodes import BatchPolicy
from wm_gym.training.finetune import finetune as finetune

_RECORDED = 5  # the stream of the recordings' seeds


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """Makes a batch policy play one env that takes texts; a `PolicyFactory` of `wm_gym.data.recording`.

    Attributes:
        policy: who acts.
    """

    policy: BatchPolicy

    def __call__(self, env: Env, rng: np.random.Generator) -> Policy:
        """An episode's policy; its phrasings and the policy's own draws, torch's, depend on `rng` alone."""
        phrases = list(env.get_wrapper_attr("action_phrases").values())
        torch.manual_seed(int(rng.integers(2**31)))

        def say(observation: Any) -> str:
            options = phrases[int(self.policy(observation[-1][None])[0])]
            return str(options[int(rng.integers(len(options)))])

        return say


def check_refresh(config: PPOConfig) -> None:
    """Refuses what would stop a round, before hours of dreaming.

    Raises:
        ValueError: a number out of range, rounds where nothing is dreamt, too few real steps, or a replay that is none.
    """
    if config.refresh < 0 or (config.refresh and config.env != "dream"):
        raise ValueError(
            f'refresh must be at least 0, and 0 where env is not "dream", got {config.refresh} with {config.env!r}'
        )
    if config.lora_rank < 0:
        raise ValueError(f"lora_rank must be at least 0, got {config.lora_rank}; 0 trains every weight")
    least = config.refresh * len(_layouts(config)) * config.real_horizon
    if config.real_steps < least:
        raise ValueError(
            f"real_steps must be at least {least}, an episode of {config.real_horizon} steps of each layout in each of "
            f"{config.refresh} rounds, got {config.real_steps}; give more, or lower refresh or real_horizon"
        )
    for folder in config.replay:
        open_recording(folder)


def finished_rounds(config: PPOConfig) -> list[dict[str, Any]]:
    """The lines of the rounds that are done.

    Raises:
        ValueError: they were of another config.
    """
    lines = read_lines(config.output / ROUNDS)
    for line in lines[:1]:
        asked = (config.refresh, config.real_steps)
        if asked != (line["rounds"], line["budget"]):
            raise ValueError(
                f"refresh and real_steps must stay {line['rounds']} and {line['budget']}, as the rounds in "
                f"{config.output / ROUNDS} have them, got {asked[0]} and {asked[1]}; restore them, or choose another "
                "output"
            )
    return lines


def refreshed_starts(config: PPOConfig, lines: list[dict[str, Any]]) -> tuple[Path, ...]:
    """Where episodes start: where the config says, and anywhere in what the rounds recorded, if it says so at all."""
    return (*config.starts, *_recordings(config, lines)) if config.starts else ()


def world_after(config: PPOConfig, lines: list[dict[str, Any]]) -> str | None:
    """The checkpoint to dream in after some rounds; None is the shipped one."""
    return str(config.output / lines[-1]["world"]) if lines else config.checkpoint


def refresh(config: PPOConfig, policy: BatchPolicy, *, dreamt_steps: int, reach: float | None) -> None:
    """Does the next round and writes its line.

    Args:
        config: says how many rounds there are, and what they may cost.
        policy: who plays.
        dreamt_steps: that it trained for.
        reach: of its curriculum.

    Raises:
        KeyboardInterrupt: the fine-tuning was stopped; the same again goes on with it.
    """
    began = time.perf_counter()
    lines = finished_rounds(config)
    number = len(lines) + 1
    folder = config.output / f"round_{number:02}"
    budget = config.real_steps * number // config.refresh - sum(line["real_steps"] for line in lines)
    recordings = _record(config, policy, folder, budget=budget, number=number)
    before = world_after(config, lines)
    result = finetune(
        before or config.world,
        list(recordings.values()),
        output=folder / "world",
        replay=[*(config.replay or config.starts), *_recordings(config, lines)],
        lora_rank=config.lora_rank,
        loop=config.finetune,
        device=config.device,
    )
    if result.interrupted:
        raise KeyboardInterrupt(f"round {number} was stopped while it fine-tuned; run the same command to go on")
    line = {
        "round": number,
        "rounds": config.refresh,
        "budget": config.real_steps,
        "dreamt_steps": dreamt_steps,
        "reach": reach,
        "real_steps": sum(recording.num_steps for recording in recordings.values()),
        "real": {layout: _tell(recording, config) for layout, recording in recordings.items()},
        "recordings": [str(recording.folder.relative_to(config.output)) for recording in recordings.values()],
        "finetuned_from": read_card(before or config.world).weights_hash,
        "iterations": result.iteration,
        "loss": result.metrics.get("loss"),
        "world": str((folder / "world").relative_to(config.output)),
        "weights_hash": read_card(folder / "world").weights_hash,
        "seconds": time.perf_counter() - began,  # since the start or the last stop
    }
    write_whole(config.output / ROUNDS, "".join(json.dumps(each) + "\n" for each in [*lines, line]).encode())


def _record(config: PPOConfig, policy: BatchPolicy, folder: Path, *, budget: int, number: int) -> Mapping[str, Dataset]:
    """Plays the twin's training split, an equal share of the budget in each layout."""
    recordings = {}
    layouts = _layouts(config)
    with torch.random.fork_rng(devices=[]):
        for index, layout in enumerate(layouts):
            env = make_twin(config, index, split="train", horizon=config.real_horizon)
            seed = rollout_seed(config.seed, number * len(layouts) + index, stream=_RECORDED)
            recordings[layout] = _record_within(
                budget // len(layouts), env, policy, folder / f"real_{layout}", seed=seed, longest=config.real_horizon
            )
            env.close()
    return recordings


def _record_within(budget: int, env: Env, policy: BatchPolicy, output: Path, *, seed: int, longest: int) -> Dataset:
    """Records as many whole episodes as surely fit, again and again: most end before their longest."""
    num_episodes = budget // longest
    while True:
        recording = record(
            env, Speaker(policy=policy), output=output, num_episodes=num_episodes, seed=seed, max_steps=longest
        )
        fit = (budget - recording.num_steps) // longest
        if fit < 1:
            return recording
        num_episodes = len(recording) + fit


def _tell(recording: Dataset, config: PPOConfig) -> dict[str, Any]:
    """How the policy did, from starts that it may have trained at: the result's layouts are held out, these are not."""
    wins = [entry.total_reward >= config.success_return for entry in recording.entries]
    return {"steps": recording.num_steps, "success": float(np.mean(wins)), "n": len(wins)}


def _layouts(config: PPOConfig) -> tuple[str, ...]:
    return config.layouts or (config.world,)


def _recordings(config: PPOConfig, lines: list[dict[str, Any]]) -> list[Path]:
    return [config.output / path for line in lines for path in line["recordings"]]
