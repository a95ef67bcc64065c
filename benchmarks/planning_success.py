"""Success in the real world with and without dreams: a planning agent against its prior alone, on held-out layouts.

The agent sees frames of the real twin and nothing else: it plans in the world model from the frame before it, follows
the plan for as long as the real frames are those imagined, and plans again where they are not. Its prior, what it would
do without a world model, gives every text of the vocabulary the same probability; the sticky one repeats the last text
with probability 0.6, as the random policy that recorded the training data.

Every episode is written when it is done: a run that was stopped goes on where it was.

    python -m benchmarks.planning_success --episodes 100
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import gymnasium as gym
import numpy as np
import torch
import tyro
from tqdm import tqdm

import envs
from policies.planner import PlanningPolicy
from wm_gym.checkpoint import read_card
from wm_gym.evaluation.provenance import machine
from wm_gym.planning import BestFirstSearch, Budget, Objective
from wm_gym.world_model import WorldModel

assert envs  # registers

RESULTS = Path(__file__).parent / "results" / "planning_success.json"
STICKINESS = 0.6
Agent: TypeAlias = Literal["planner", "prior", "sticky prior"]
Predict: TypeAlias = Callable[[Any, Any, Any], tuple[Any, Any]]


@dataclass(frozen=True, kw_only=True)
class PlanningSuccessConfig:
    """What to measure.

    Attributes:
        checkpoint: A shipped name or a checkpoint folder.
        env: The real twin, acted in with texts.
        layout: Its option; None leaves it out.
        split: Layouts that training never starts from.
        agents: Who acts.
        episodes: Real episodes of each.
        seed: Episode i is reset with `seed + i`, the same for every agent.
        max_steps: An episode without a reward until then is a failure.
        model_steps: Budget of a plan.
        num_worlds: Worlds of one model call.
        uncertainty_penalty: Pessimism.
        enough: Worth of a plan that ends the search.
        device: Where the model runs, as torch names it.
        threads: Threads of torch; None leaves its own choice.
        progress: Whether to show a bar.
        output: The JSON file; what is done so far stands beside it, one episode a line.
    """

    checkpoint: str = "minigrid"
    env: str = "envs:real/MiniGrid-v0"
    layout: str | None = "doorkey"
    split: str = "test"
    agents: tuple[Agent, ...] = ("planner", "prior", "sticky prior")
    episodes: int = 100
    seed: int = 0
    max_steps: int = 256
    model_steps: int = 4000
    num_worlds: int = 32
    uncertainty_penalty: float = 0.1
    enough: float = 0.3
    device: str = "cpu"
    threads: int | None = None
    progress: bool = True
    output: Path = RESULTS

    @property
    def log(self) -> Path:
        """Where finished episodes are kept."""
        return self.output.with_suffix(".episodes.jsonl")

    @property
    def fingerprint(self) -> str:
        """What must be equal in a run that goes on, as JSON."""
        same = replace(self, episodes=0, agents=(), progress=False, threads=None, output=Path())
        facts = {"weights_hash": read_card(self.checkpoint).weights_hash, **asdict(same)}
        return json.dumps(facts, sort_keys=True, default=str)


def play(env: gym.Env[Any, Any], predict: Predict, seed: int, max_steps: int) -> dict[str, Any]:
    """Plays one real episode.

    Returns:
        Its reward, steps, and what the planner spent, as JSON values.
    """
    observation, _ = env.reset(seed=seed)
    memory: Any = None
    total, step = 0.0, 0
    for step in range(1, max_steps + 1):
        action, memory = predict(observation, memory, np.array([step == 1]))
        observation, reward, terminated, truncated, _ = env.step(action)
        total += float(reward)
        if terminated or truncated:
            break
    pursuit = memory[0].pursuit if memory else None
    costs = (
        {} if pursuit is None else {name: getattr(pursuit, name) for name in ("num_plans", "model_steps", "seconds")}
    )
    return {"seed": seed, "reward": total, "steps": step, **costs}


def random_predict(vocabulary: Sequence[str], rng: np.random.Generator, stickiness: float) -> Predict:
    """Says texts at random; `predict` of a policy without a model."""
    last = [str(rng.choice(vocabulary))]

    def predict(observation: Any, state: Any, episode_start: Any) -> tuple[str, None]:
        if rng.random() >= stickiness:
            last[0] = str(rng.choice(vocabulary))
        return last[0], None

    return predict


def measure(config: PlanningSuccessConfig) -> dict[str, Any]:
    """Plays what is not in the log yet.

    Returns:
        The results as JSON values.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    options: dict[str, Any] = {} if config.layout is None else {"layout": config.layout}
    env = gym.make(config.env, split=config.split, disable_env_checker=True, **options)
    vocabulary = env.unwrapped.get_action_meanings()  # type: ignore[attr-defined]
    model = WorldModel.from_pretrained(config.checkpoint, device=config.device)
    planner = BestFirstSearch(
        model,
        vocabulary,
        objective=Objective(uncertainty_penalty=config.uncertainty_penalty, enough=config.enough),
        budget=Budget(model_steps=config.model_steps),
        num_worlds=config.num_worlds,
    )
    done = _read_log(config)
    jobs = [(agent, config.seed + i) for i in range(config.episodes) for agent in config.agents]
    for agent, seed in tqdm([job for job in jobs if job not in done], disable=not config.progress, unit="episode"):
        rng = np.random.default_rng(seed)
        if agent == "planner":
            predict: Predict = PlanningPolicy(model, planner, seed=seed).predict
        else:
            predict = random_predict(vocabulary, rng, STICKINESS if agent == "sticky prior" else 0.0)
        done[agent, seed] = play(env, predict, seed, config.max_steps)
        line = {"agent": agent, "fingerprint": config.fingerprint, **done[agent, seed]}
        with config.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
    env.close()
    played = {agent: [done[agent, config.seed + i] for i in range(config.episodes)] for agent in config.agents}
    return {
        "checkpoint": config.checkpoint,
        "weights_hash": model.card.weights_hash,
        "dtype": str(next(model.parameters()).dtype),
        **machine(config.device),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "agents": {agent: _summary(episodes) for agent, episodes in played.items()},
        "episodes": played,
    }


def _read_log(config: PlanningSuccessConfig) -> dict[tuple[str, int], dict[str, Any]]:
    """Returns the episodes that are done.

    Raises:
        ValueError: They are of another configuration.
    """
    config.log.parent.mkdir(parents=True, exist_ok=True)
    lines = config.log.read_text(encoding="utf-8").splitlines() if config.log.exists() else []
    if lines and not lines[-1].endswith("}"):  # a kill cut it
        config.log.write_text("".join(f"{line}\n" for line in lines[:-1]), encoding="utf-8")
        del lines[-1]
    done = {}
    for line in map(json.loads, lines):
        agent, fingerprint = line.pop("agent"), line.pop("fingerprint")
        if fingerprint != config.fingerprint:
            raise ValueError(f"{config.log} must be of this configuration, got another; choose another --output")
        done[agent, line["seed"]] = line
    return done


def _summary(episodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns success with its 95 % Wilson interval, and the medians of steps and costs."""
    count, won = len(episodes), sum(episode["reward"] > 0 for episode in episodes)
    share, z = won / count, 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    costs = {
        name: float(np.median([episode[name] for episode in episodes]))
        for name in ("steps", "num_plans", "model_steps", "seconds")
        if name in episodes[0]
    }
    return {"episodes": count, "successes": won, "success": share, "interval": [middle - half, middle + half], **costs}


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    lines = [
        f"{results['checkpoint']} on {results['device_name']}",
        f"{'agent':14}{'n':>5}{'success':>9}  95 % interval",
    ]
    for agent, summary in results["agents"].items():
        low, high = summary["interval"]
        lines.append(f"{agent:14}{summary['episodes']:5}{summary['success']:9.1%}  {low:.1%} to {high:.1%}")
    return "\n".join(lines)


def main(config: PlanningSuccessConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    config.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(config.output)


if __name__ == "__main__":
    main(tyro.cli(PlanningSuccessConfig, description=__doc__))
