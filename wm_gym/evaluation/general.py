"""A checkpoint of many worlds measured world by world: fidelity by horizon, action following, pace."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
from tqdm import tqdm

from wm_gym.data.durable_writes import write_whole
from wm_gym.evaluation.config import FidelityConfig, FollowingConfig, ResolvedConfig, for_world
from wm_gym.evaluation.dreaming import step_arguments_of
from wm_gym.evaluation.fidelity import evaluate_model, provenance
from wm_gym.evaluation.following import ClassifierJudge, Dreamer, FollowingReport, Judge, StateJudge, measure_following
from wm_gym.evaluation.general_table import render_general_table
from wm_gym.evaluation.inverse_dynamics import InverseDynamics, source_of, train_inverse_dynamics
from wm_gym.evaluation.pace import measure_step_seconds
from wm_gym.evaluation.phrasings import Phrasings
from wm_gym.evaluation.probe_store import stored_probes
from wm_gym.evaluation.probes import Cases, Probes
from wm_gym.evaluation.report import FidelityReport
from wm_gym.evaluation.states import reader_of
from wm_gym.evaluation.twin import Env, make_twin
from wm_gym.evaluation.world_plans import PLANS
from wm_gym.world_model import WorldModel

FORMAT = "wm_gym general 1"


@dataclass(frozen=True, kw_only=True, eq=False)
class WorldReport:
    """What one world is like.

    Attributes:
        fidelity: Open-loop rollouts.
        following: Action following; None where it was left out.
        step_seconds: Median wall seconds of a step at batch size 1.
    """

    fidelity: FidelityReport
    following: FollowingReport | None
    step_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return {
            "fidelity": self.fidelity.to_json(),
            "following": self.following and self.following.to_json(),
            "step_seconds": self.step_seconds,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class GeneralReport:
    """What a checkpoint is like, world by world.

    Attributes:
        config: What ran.
        following_config: What of action following ran.
        worlds: By name.
        missing: Name of a world that was not measured -> why.
        provenance: Weights' hash, sampling, device, dtype, versions, wall time.
    """

    config: FidelityConfig
    following_config: FollowingConfig
    worlds: Mapping[str, WorldReport]
    missing: Mapping[str, str]
    provenance: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        following = asdict(self.following_config)
        del following["probes"]  # where they lie says nothing
        return {
            "format": FORMAT,
            "checkpoint": self.config.checkpoint,
            **self.provenance,
            "worlds": {name: world.to_json() for name, world in self.worlds.items()},
            "missing": dict(self.missing),
            "config": asdict(self.config) | following,
        }

    def table(self) -> str:
        """Returns the numbers by world as text, for a terminal."""
        return render_general_table(self.to_json())

    def save(self, path: Path) -> None:
        """Writes `to_json` to a file, whole or not at all; its folder is made where missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n").encode())


def evaluate_general(
    model: WorldModel,
    worlds: tuple[str, ...],
    config: FidelityConfig,
    following: FollowingConfig,
    progress: bool = True,
) -> GeneralReport:
    """Measures the worlds of a model. A world whose simulator is not installed is left out, and said to be.

    Args:
        model: The world model.
        worlds: Which of its worlds.
        config: What to run in each; twins and policies are each world's own.
        following: What of action following to run.
        progress: Whether to draw progress bars on stderr.

    Returns:
        The report.

    Raises:
        ValueError: There is no such world, twin or policy, or kept probes are of another vocabulary.
        ReaderError: A twin misreads its own frames.
    """
    begin = time.perf_counter()
    found: dict[str, WorldReport] = {}
    missing: dict[str, str] = {}
    for world in worlds:
        try:
            found[world] = _evaluate_world(model, for_world(config, world), following, progress)
        except gym.error.DependencyNotInstalled as error:
            missing[world] = str(error)
    return GeneralReport(
        config=config,
        following_config=following,
        worlds=found,
        missing=missing,
        provenance=provenance(model, step_arguments_of(config)) | {"wall_seconds": time.perf_counter() - begin},
    )


def _evaluate_world(
    model: WorldModel, config: FidelityConfig, following: FollowingConfig, progress: bool
) -> WorldReport:
    resolved = config.resolve(model.card)
    fidelity = evaluate_model(model, config, progress)
    assert fidelity.example is not None, "there is at least one rollout"
    text = next(iter(model.card.worlds[resolved.world].action_phrases.values()))[0]
    return WorldReport(
        fidelity=fidelity,
        following=_follow(model, resolved, following, progress) if following.num_probes else None,
        step_seconds=measure_step_seconds(model, fidelity.example.real[:1], text, sampling=step_arguments_of(config)),
    )


def _follow(model: WorldModel, config: ResolvedConfig, following: FollowingConfig, progress: bool) -> FollowingReport:
    """Measures action following on probes from held-out starts."""
    phrasing_env = make_twin(config.twin, split=config.split)
    try:
        phrasings = Phrasings.of(phrasing_env, model.card.worlds[config.world])
        cases = _probes(config, following, following.num_probes, config.split, progress).cases()
        judge, num_training_probes = _judge(phrasing_env, config, following, progress)
        with tqdm(desc=f"{config.world}: following", unit="step", disable=not progress) as bar:
            dreamer = Dreamer(
                model=model,
                sampling=step_arguments_of(config),
                batch_size=config.batch_size,
                seed=config.seed,
                on_step=bar.update,
            )
            return measure_following(dreamer, judge, cases, phrasings, num_training_probes=num_training_probes)
    finally:
        phrasing_env.close()


def _judge(env: Env, config: ResolvedConfig, following: FollowingConfig, progress: bool) -> tuple[Judge, int]:
    """Who says what follows, and how many real probes it learned from."""
    reader = reader_of(env, config.world)
    plan = PLANS.get(config.world)
    if reader is not None and plan is not None and plan.judged_by_state:
        return StateJudge(reader), 0
    cases = _probes(config, following, following.num_training_probes, "train", progress).cases()
    return ClassifierJudge(_classifier(cases, config, following, progress)), len(cases.labels)


def _classifier(cases: Cases, config: ResolvedConfig, following: FollowingConfig, progress: bool) -> InverseDynamics:
    """The classifier that learned from these cases: the kept one, or a new one, which is kept."""
    path = following.probes and following.probes / f"{config.world}-inverse-dynamics.safetensors"
    num_iterations = following.classifier_iterations
    source = source_of(cases, num_iterations)
    height, width = cases.probes.clips.shape[2:4]
    kept = InverseDynamics.load(path, cases.vocabulary, (height, width), source) if path else None
    if kept is not None:
        return kept
    with tqdm(total=num_iterations, desc=f"{config.world}: classifier", disable=not progress) as bar:
        classifier = train_inverse_dynamics(
            cases, num_iterations=num_iterations, seed=config.seed, on_iteration=bar.update
        )
    if path:
        classifier.save(path, source)
    return classifier


def _probes(config: ResolvedConfig, following: FollowingConfig, num_probes: int, split: str, progress: bool) -> Probes:
    """Kept or new probes of a split."""
    plan = PLANS.get(config.world)
    with tqdm(total=num_probes, desc=f"{config.world}: {split} probes", unit="probe", disable=not progress) as bar:
        return stored_probes(
            following.probes,
            config.twin,
            plan.mixed if plan else config.policies[0],
            split=split,
            num_probes=num_probes,
            seed=config.seed,
            num_steps=plan.probe_steps if plan else None,
            on_probe=bar.update,
        )
