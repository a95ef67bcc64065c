"""Whether what happens beside an action takes hold: the whole state after a told event, and after the same one untold.

The real twin walks a few steps, something happens in it, and it walks on. The model dreams the same actions twice from
before the event: told of it, and not. Only events count that change what the action alone would have led to, so that
a model that does not hear of them cannot be right. How far it can be right at all, the same actions tell where nothing
happens.

    python -m benchmarks.world_events --checkpoint runs/events
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from jaxtyping import UInt8
from tqdm import tqdm

from benchmarks.report import write_report
from wm_gym.actions import Action
from wm_gym.evaluation.config import FidelityConfig, ResolvedConfig
from wm_gym.evaluation.dreaming import stack_clips
from wm_gym.evaluation.intervals import wilson_interval
from wm_gym.evaluation.provenance import machine
from wm_gym.evaluation.rollouts import Walk, rollout_seed
from wm_gym.evaluation.speech import Speech
from wm_gym.evaluation.twin import Env, RealTwin, State, make_twin, real_twin
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import WorldModel

RESULTS = Path(__file__).parent / "results" / "world_events.json"
_ATTEMPTS = 100  # walks for each rollout that is asked for


@dataclass(frozen=True, kw_only=True)
class WorldEventsConfig:
    """What to measure.

    Attributes:
        checkpoint: A shipped name or a checkpoint's folder.
        world: Which of its worlds; None where it has one. Its twin must have events.
        steps: When states are compared, counted from the step of the event, rising from 1.
        rollouts: Of each event.
        seed: Of the rollouts.
        guidance_scale: Classifier-free guidance on action and event; 1 is off.
        device: Where the model runs, as torch names it.
        threads: Threads of torch; None leaves its own choice.
        output: The JSON file.
    """

    checkpoint: str
    world: str | None = None
    steps: tuple[int, ...] = (1, 4, 16)
    rollouts: int = 100
    seed: int = 110_000
    guidance_scale: float = 1.0
    device: str = "cpu"
    threads: int | None = None
    output: Path = RESULTS


@dataclass(frozen=True, kw_only=True, eq=False)
class EventfulRollout:
    """What the twin did around an event, which came with the first of the actions.

    Attributes:
        seed: The reset's seed.
        text: The event in one of its phrasings.
        clip: The frames that led to it.
        actions: As the dream is told them.
        states: The true state after each action.
        uneventful_states: The same, had nothing happened; None where the episode would have ended.
    """

    seed: int
    text: str
    clip: UInt8[np.ndarray, "frames height width channel"]
    actions: tuple[Action, ...]
    states: tuple[State, ...]
    uneventful_states: tuple[State, ...] | None


def measure(config: WorldEventsConfig) -> dict[str, Any]:
    """Dreams the rollouts of each event, told and untold.

    Raises:
        ValueError: Steps that do not rise from 1, no rollout, a scale below 0, guidance that the model does not take, a
            world without events, or events that change nothing.
    """
    if list(config.steps) != sorted(set(config.steps)) or config.steps[:1] != (1,) or config.rollouts < 1:
        raise ValueError(f"steps must rise from 1 and rollouts be at least 1, got {config.steps} and {config.rollouts}")
    sampling = StepArguments(guidance_scale=config.guidance_scale)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    model = WorldModel.from_pretrained(config.checkpoint, config.device)
    sampling.check_model(model)
    plan = FidelityConfig(checkpoint=config.checkpoint, world=config.world).resolve(model.card)
    env = make_twin(plan.twin, split=plan.split)
    try:
        phrases: Mapping[str, Sequence[str]] = getattr(env.unwrapped, "event_phrases", {})
        if not phrases:
            raise ValueError(f"world must have events, got {plan.world!r}; the twin's event_phrases name them")
        cases = [_case(model, env, plan, config, sampling, number) for number in range(len(phrases))]
    finally:
        env.close()
    settings = asdict(config) | {"output": str(config.output)}
    weights = model.card.weights_hash[:12]
    return {"config": settings, "weights": weights, "cases": cases, "machine": machine(torch.device(config.device))}


def _case(
    model: WorldModel, env: Env, plan: ResolvedConfig, config: WorldEventsConfig, sampling: StepArguments, number: int
) -> dict[str, Any]:
    twin: Any = env.unwrapped
    name = list(twin.event_phrases)[number]
    rollouts: list[EventfulRollout] = []
    for index in tqdm(count(), desc=f"walk, {name}", unit="walk", leave=False):
        if len(rollouts) == config.rollouts:
            break
        if index == _ATTEMPTS * config.rollouts:
            raise ValueError(f"rollouts must be as many as {name!r} happens in, got {len(rollouts)}; ask for fewer")
        found = _walk(model, env, plan, config, rollout_seed(config.seed, index, stream=number), name)
        rollouts += [] if found is None else [found]
    told = _dreamt(model, config, sampling, rollouts, [rollout.text for rollout in rollouts])
    untold = _dreamt(model, config, sampling, rollouts, [""] * len(rollouts))
    truth, uneventful = [each.states for each in rollouts], [each.uneventful_states for each in rollouts]
    return {
        "event": name,
        "n": len(rollouts),
        "told": _right(twin, told, truth),
        "untold": _right(twin, untold, truth),
        "nothing_happens": _right(twin, untold, uneventful),
    }


def _walk(
    model: WorldModel, env: Env, plan: ResolvedConfig, config: WorldEventsConfig, seed: int, name: str
) -> EventfulRollout | None:
    """A walk through the event; None where it changes nothing, or the episode ends before the last step."""
    twin: Any = env.unwrapped
    rng = np.random.default_rng([seed, 4])
    walk = Walk(env, plan.drift_policy or plan.policies[0], seed=seed, clip_frames=model.kept_frames)
    walk.advance(int(rng.integers(1, 25)))
    clip, saved = walk.clip, twin.clone_state(include_rng=True)
    phrasings = twin.event_phrases[name]
    text = phrasings[int(rng.integers(len(phrasings)))]
    twin.happen(text)
    actions, states = [], []
    for _ in range(config.steps[-1]):
        actions.append(walk.step()[0])
        states.append(real_twin(env).state())
        if walk.over:
            return None
    uneventful = _without(env, saved, actions)
    if uneventful[0] == states[0]:
        return None
    said = Speech(env, model.card.worlds[plan.world]).translate(actions, seed=seed)
    return EventfulRollout(
        seed=seed,
        text=text,
        clip=clip,
        actions=said,
        states=tuple(states),
        uneventful_states=uneventful if len(uneventful) == len(actions) else None,
    )


def _without(env: Env, saved: Any, actions: Sequence[Any]) -> tuple[State, ...]:
    """The true state after each action from a saved state on, up to the end of the episode."""
    twin: Any = env.unwrapped
    twin.restore_state(saved)
    states = []
    for action in actions:
        over = twin.step(action)[2]
        states.append(real_twin(env).state())
        if over:
            break
    return tuple(states)


@torch.inference_mode()
def _dreamt(
    model: WorldModel,
    config: WorldEventsConfig,
    sampling: StepArguments,
    rollouts: Sequence[EventfulRollout],
    events: Sequence[str],
) -> dict[int, UInt8[np.ndarray, "batch height width channel"]]:
    """What is seen after each of the steps that count."""
    starts = stack_clips([rollout.clip for rollout in rollouts], model.kept_frames)
    state, seen = model.reset(starts, seeds=[rollout.seed for rollout in rollouts]), {}
    for number in range(config.steps[-1]):
        said = [rollout.actions[number] for rollout in rollouts]
        state, output = model.step(state, said, events=None if number else events, **sampling.keywords())
        if number + 1 in config.steps:
            seen[number + 1] = output.frames[:, -1].cpu().numpy()
    return seen


def _right(
    twin: RealTwin,
    dreams: Mapping[int, UInt8[np.ndarray, "batch height width channel"]],
    truth: Sequence[tuple[State, ...] | None],
) -> dict[str, dict[str, Any]]:
    """The share of dreams whose whole state is the true one, with its 95 % interval, at each of the steps."""
    found, rows = {}, [row for row, states in enumerate(truth) if states is not None]
    for step, frames in dreams.items():
        right = sum(twin.read_state(frames[row]) == (truth[row] or ())[step - 1] for row in rows)
        interval = wilson_interval(right, len(rows))
        found[str(step)] = {"n": len(rows), "state_accuracy": right / max(1, len(rows)), "interval": list(interval)}
    return found


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table: the share of whole states that are right by step and case."""
    steps = results["cases"][0]["told"]
    width = max(len(case["event"]) for case in results["cases"])
    lines = [" " * (width + 18) + "".join(f"{'step ' + step:>10}" for step in steps)]
    for case in results["cases"]:
        for kind in ("told", "untold", "nothing_happens"):
            cells = "".join(f"{case[kind][step]['state_accuracy']:>10.1%}" for step in steps)
            lines.append(f"{case['event']:<{width}}  {kind.replace('_', ' '):<16}{cells}")
    return "\n".join(lines)


def main(config: WorldEventsConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


if __name__ == "__main__":
    main(tyro.cli(WorldEventsConfig, description=__doc__))
