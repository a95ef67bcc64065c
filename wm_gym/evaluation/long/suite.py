"""Runs the long-horizon suite on a checkpoint, world by world and part by part, and keeps what is finished."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
from tqdm import tqdm

from wm_gym.evaluation.config import FidelityConfig, FollowingConfig, ResolvedConfig, chosen_worlds, for_world
from wm_gym.evaluation.dreaming import step_arguments_of
from wm_gym.evaluation.fidelity import provenance
from wm_gym.evaluation.long.action_part import measure_action_part
from wm_gym.evaluation.long.config import LongConfig
from wm_gym.evaluation.long.drift_part import Keep, measure_drift_part
from wm_gym.evaluation.long.falls import lawful
from wm_gym.evaluation.long.page import write_page
from wm_gym.evaluation.long.physics_part import measure_physics_part
from wm_gym.evaluation.long.revisit_part import measure_revisit_part
from wm_gym.evaluation.long.stage import Stage
from wm_gym.evaluation.long.store import ReportStore
from wm_gym.evaluation.long.table import render_table
from wm_gym.evaluation.twin import make_twin
from wm_gym.world_model import WorldModel

Part = Callable[[Stage, Keep], None]


@dataclass(frozen=True, kw_only=True)
class LongOutcome:
    """What a run gave.

    Attributes:
        table: For a terminal.
        paths: The files written.
    """

    table: str
    paths: tuple[Path, ...]


def run_suite(
    config: FidelityConfig, long: LongConfig, following: FollowingConfig, worlds: str | None = None
) -> LongOutcome:
    """Measures a checkpoint over a long time; see `measure_suite`.

    Raises:
        ValueError: There is no such checkpoint, world, twin, policy or judge, or the folder holds another run.
        OSError: The folder cannot be made.
    """
    return measure_suite(
        WorldModel.from_pretrained(config.checkpoint, device=config.device), config, long, following, worlds
    )


def measure_suite(
    model: WorldModel,
    config: FidelityConfig,
    long: LongConfig,
    following: FollowingConfig,
    worlds: str | None = None,
    progress: bool = True,
) -> LongOutcome:
    """Measures a model in memory; `config.checkpoint` only names it.

    Every part is written when it is finished, and the long dreams at each reading. Running the same again goes on with
    the parts that are not finished. A world whose simulator is not installed is left out, and said to be.

    Args:
        model: The world model.
        config: Which world, seed, device and sampling.
        long: What to run.
        following: How the judge learns, where it does.
        worlds: Which worlds, separated by commas; None is the config's, or all.
        progress: Whether to draw progress bars on stderr.
    """
    config.require_twin()
    names = (config.world,) if config.world and worlds is None else chosen_worlds(model.card, worlds)
    store = ReportStore(long.output, _facts(model, config, long))
    for world in names:
        named = replace(config if len(names) == 1 else for_world(config, world), world=world)
        try:
            _measure_world(model, named.resolve(model.card), long, following, store, progress)
            store.report["missing"].pop(world, None)
        except gym.error.DependencyNotInstalled as error:
            store.report["missing"][world] = str(error)
    sampling = step_arguments_of(config)
    store.report["provenance"] = provenance(model, sampling)
    store.save()
    return LongOutcome(table=render_table(store.report), paths=(store.path, *write_page(store)))


def _measure_world(
    model: WorldModel,
    config: ResolvedConfig,
    long: LongConfig,
    following: FollowingConfig,
    store: ReportStore,
    progress: bool,
) -> None:
    """Measures the parts of one world that are not finished."""
    env = make_twin(config.twin, split=config.split)
    try:
        parts = _parts(long, lawful(env) is not None)
        with tqdm(total=_num_steps(long, list(parts)), desc=config.world, unit="step", disable=not progress) as bar:
            stage = Stage(
                model=model,
                env=env,
                config=config,
                long=long,
                following=following,
                on_step=bar.update,
                say=bar.set_postfix_str,
            )
            for name, measure in parts.items():
                if not store.is_done(config.world, name):
                    begin = time.perf_counter()
                    measure(stage, partial(_keep, store, config.world, name, begin))
                    store.finish(config.world, name)
    finally:
        env.close()


def _keep(store: ReportStore, world: str, part: str, begin: float, data: dict[str, Any], pictures: Any) -> None:
    store.keep(world, part, data | {"seconds": time.perf_counter() - begin}, pictures)


def _parts(long: LongConfig, has_laws: bool) -> dict[str, Part]:
    """Those to run, the short ones first: a stopped run has something to show."""
    parts: dict[str, Part] = {}
    if long.sequences:
        parts["actions"] = measure_action_part
    if long.trips:
        parts["revisits"] = measure_revisit_part
    if long.falls and has_laws:
        parts["physics"] = measure_physics_part
    return parts | {"drift": measure_drift_part}


def _num_steps(long: LongConfig, parts: list[str]) -> int | None:
    """Steps of batches, as far as they can be told: how many a probe or a fall takes is the world's affair."""
    if "physics" in parts:
        return None
    trips = sum(long.trip_steps) if "revisits" in parts else 0
    return long.long_steps + trips + (long.rounds if "actions" in parts else 0)


def _facts(model: WorldModel, config: FidelityConfig, long: LongConfig) -> dict[str, Any]:
    """What makes a run this very run."""
    asked = asdict(long)
    del asked["output"], asked["suite"]
    if long.trip_actions is None:  # so that older runs go on
        del asked["trip_actions"]
    shared = ("seed", "split", "twin", "policies", "drift_policy", "num_denoising_steps", "temperature", "batch_size")
    return {
        "checkpoint": config.checkpoint,
        "weights_hash": model.card.weights_hash,
        **{name: getattr(config, name) for name in (*shared, "lead_steps")},
        **asked,
    }
