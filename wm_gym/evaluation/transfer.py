"""Dream against reality for whole policies: each is played in both from the same held-out starts.

Two questions: does a policy do as well in the dream as in the real twin (its success on either side, and the outcome of
the very same actions), and does the dream order policies as reality does (`ranking`)? The first is what training in a
dream needs, the second what choosing among policies needs.
"""

import time
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from tqdm import tqdm

from wm_gym.evaluation.config import FidelityConfig
from wm_gym.evaluation.dreaming import step_arguments_of
from wm_gym.evaluation.outcome import Files, Outcome
from wm_gym.evaluation.provenance import machine
from wm_gym.evaluation.rollouts import rollout_seed
from wm_gym.evaluation.transfer_config import TransferConfig
from wm_gym.evaluation.transfer_episodes import (
    BatchPolicy,
    DreamWorld,
    Episodes,
    play_dreams,
    play_twins,
    replay_in_dreams,
)
from wm_gym.evaluation.transfer_policies import load_batch_policy
from wm_gym.evaluation.transfer_report import PolicyTransfer, Side, TransferReport
from wm_gym.evaluation.twin import Env
from wm_gym.world_model import WorldModel
from wm_gym.worlds import WORLDS

_STREAM = 4  # of the seeds: no other measurement starts from these layouts


def transfer_outcome(config: FidelityConfig, transfer: TransferConfig, files: Files) -> Outcome:
    """Measures transfer, writes what was asked for and gives the table.

    Raises:
        ValueError: There is no such checkpoint, world, twin or policy.
        OSError: A folder cannot be made.
        ModuleNotFoundError: A package of the extra "evaluate" is missing.
    """
    files.prepare()
    if files.picture:
        from wm_gym.evaluation.transfer_plots import plot_transfer  # before the work: matplotlib may be missing
    report = evaluate_transfer(config, transfer)
    paths = []
    if files.json:
        report.save(files.json)
        paths.append(files.json)
    if files.picture:
        plot_transfer(report, files.picture)
        paths.append(files.picture)
    return Outcome(table=report.table(), paths=tuple(paths))


def evaluate_transfer(config: FidelityConfig, transfer: TransferConfig, progress: bool = True) -> TransferReport:
    """Plays every policy in the dream and in the real twin.

    Args:
        config: Of it, the checkpoint, world, twin, split, seed, batch size, sampling and device.
        transfer: The policies and how often to play them.
        progress: Whether to draw a progress bar on stderr.

    Returns:
        The report.

    Raises:
        ValueError: There is no such checkpoint, world, twin or policy.
        gymnasium.error.DependencyNotInstalled: The twin's simulator is missing.
    """
    began = time.perf_counter()
    config.require_twin()
    model = WorldModel.from_pretrained(config.checkpoint, device=config.device)
    world = model.card.world(config.world)
    known = WORLDS.get(world)
    twin, max_steps = config.twin or (known and known.twin), _max_steps(world, transfer)
    if not twin:
        raise ValueError(f"twin must be named for {world!r}, which is not known here, got none; pass its gym.make id")
    sampling = step_arguments_of(config)
    texts = tuple(phrases[0] for phrases in model.card.worlds[world].action_phrases.values())
    dream = DreamWorld(model=model, texts=texts, sampling=sampling)
    policies = {name: load_batch_policy(name, len(texts), config.seed) for name in transfer.transfer}
    seeds = [rollout_seed(config.seed, index, stream=_STREAM) for index in range(transfer.transfer_episodes)]
    twins = _make_twins(twin, config, transfer)
    bar = tqdm(policies.items(), disable=not progress, unit="policy", desc="transfer")
    try:
        measured = [_measure(name, policy, twins, dream, seeds, max_steps, transfer) for name, policy in bar]
    finally:
        for env in twins:
            env.close()
    provenance: dict[str, Any] = {
        "checkpoint": config.checkpoint,
        "weights_hash": model.card.weights_hash,
        "world": world,
        "twin": twin,
        "split": config.split,
        "seed": config.seed,
        "max_steps": max_steps,
        "num_denoising_steps": config.num_denoising_steps or model.card.num_denoising_steps,
        "temperature": model.card.temperature if config.temperature is None else config.temperature,
        "batch_size": len(twins),
        **machine(config.device),
        "wall_seconds": time.perf_counter() - began,
    }
    return TransferReport(config=transfer, policies=tuple(measured), seeds=tuple(seeds), provenance=provenance)


def _max_steps(world: str, transfer: TransferConfig) -> int:
    """Steps after which an episode is cut.

    Raises:
        ValueError: nobody names them.
    """
    if transfer.transfer_steps is not None:
        return transfer.transfer_steps
    if world not in WORLDS:
        raise ValueError(f"transfer_steps must be given for {world!r}, which has no time limit here, got none")
    return WORLDS[world].max_episode_steps


def _make_twins(twin: str, config: FidelityConfig, transfer: TransferConfig) -> list[Env]:
    """As many twins as are played side by side, their arguments taking turns.

    Raises:
        ValueError: there is no such env, or it takes other arguments.
    """
    turns = transfer.parsed_arguments()
    most = min(config.batch_size, transfer.transfer_episodes)
    count = max(len(turns), most - most % len(turns))  # whole turns, so that the next batch begins with the first
    try:
        return [
            gym.make(
                twin, split=config.split, max_episode_steps=-1, disable_env_checker=True, **turns[row % len(turns)]
            )
            for row in range(count)
        ]
    except gym.error.DependencyNotInstalled:
        raise
    except (ModuleNotFoundError, TypeError, ValueError, gym.error.Error) as error:
        raise ValueError(
            f"twin must be the gym.make id of a real twin that takes twin_arguments, got {twin!r} ({error}); "
            "the twins live in envs/: run from a checkout"
        ) from error


def _measure(
    name: str,
    policy: BatchPolicy,
    twins: Sequence[Env],
    dream: DreamWorld,
    seeds: Sequence[int],
    max_steps: int,
    transfer: TransferConfig,
) -> PolicyTransfer:
    """Plays one policy on both sides, a batch at a time."""
    batches: list[tuple[Episodes, Episodes, Episodes]] = []
    for first in range(0, len(seeds), len(twins)):
        part = seeds[first : first + len(twins)]
        real = play_twins(policy, twins[: len(part)], texts=dream.texts, seeds=part, max_steps=max_steps)
        dreamed = play_dreams(policy, dream, starts=real.starts, seeds=part, max_steps=max_steps)
        batches.append((real, dreamed, replay_in_dreams(dream, real, seeds=part)))
    least = transfer.success_return
    agree = [real.successes(least) == replayed.successes(least) for real, _, replayed in batches]
    sides = [Side.of(episodes, least) for episodes in zip(*batches, strict=True)]
    return PolicyTransfer(
        name=name,
        real=sides[0],
        dream=sides[1],
        replayed=sides[2],
        same_outcome=float(np.concatenate(agree).mean()),
    )
