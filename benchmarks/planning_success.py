"""Success in the real world with and without dreams: a planning agent against its prior alone, in held-out episodes.

The agent sees frames of the real twin and nothing else: it plans in the world model from the frame before it, follows
the plan for as long as the real frames are those imagined, and plans again where they are not. Its prior is what it
would do without a world model. In DoorKey that gives every text the same probability (the sticky one repeats the last
text with probability 0.6, as the random policy that recorded the training data), and the reward is the goal. In PushT
it goes to a side of the T and pushes, anywhere; the goal is a text with a critic that reads the T off a frame.

Every episode is written when it is done: a run that was stopped goes on where it was.

    python -m benchmarks.planning_success --episodes 100
    python -m benchmarks.planning_success --task pusht --episodes 100 --processes 2
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import torch
import tyro
from tqdm import tqdm

import envs
from benchmarks.planning_agents import TASKS, Predict, Task
from wm_gym.checkpoint import read_card
from wm_gym.evaluation.provenance import machine
from wm_gym.planning import Budget
from wm_gym.world_model import WorldModel

assert envs  # registers

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class PlanningSuccessConfig:
    """What to measure.

    Attributes:
        task: What is to be done; see `benchmarks.planning_agents`.
        checkpoint: A shipped name or a checkpoint folder; None takes the task's.
        split: Starts that training never begins from.
        episodes: Real episodes of each agent.
        seed: Episode i is reset with `seed + i`, the same for every agent.
        max_steps: An episode without success until then is a failure; None takes the task's.
        model_steps: Budget of a plan.
        device: Where the model runs, as torch names it.
        threads: Threads of torch in each process; None shares its own choice among them.
        processes: Processes that share the episodes, each with a model of its own.
        progress: Whether to show a bar.
        output: The JSON file; what is done so far stands beside it, one episode a line. None is the task's in
            `benchmarks/results`.
    """

    task: Literal["doorkey", "pusht"] = "doorkey"
    checkpoint: str | None = None
    split: str = "test"
    episodes: int = 100
    seed: int = 0
    max_steps: int | None = None
    model_steps: int = 4000
    device: str = "cpu"
    threads: int | None = None
    processes: int = 1
    progress: bool = True
    output: Path | None = None

    def completed(self) -> "PlanningSuccessConfig":
        """The same with the task's defaults in their places.

        Raises:
            ValueError: No episodes, or no process to play them.
        """
        task = TASKS[self.task]
        for name in ("episodes", "processes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        return replace(
            self,
            checkpoint=self.checkpoint or task.checkpoint,
            max_steps=self.max_steps or task.max_steps,
            output=self.output or RESULTS / f"planning_{self.task}.json",
        )


def play(env: gym.Env[Any, Any], predict: Predict, seed: int, max_steps: int) -> dict[str, Any]:
    """Plays one real episode.

    Returns:
        Its best reward of a step, its steps, and what the planner spent, as JSON values.
    """
    observation, _ = env.reset(seed=seed)
    memory: Any = None
    best, step = 0.0, 0
    for step in range(1, max_steps + 1):
        action, memory = predict(observation, memory, np.array([step == 1]))
        observation, reward, terminated, truncated, _ = env.step(action)
        best = max(best, float(reward))
        if terminated or truncated:
            break
    pursuit = memory[0].pursuit if memory else None
    costs = (
        {} if pursuit is None else {name: getattr(pursuit, name) for name in ("num_plans", "model_steps", "seconds")}
    )
    return {"seed": seed, "best_reward": best, "steps": step, **costs}


class Match:
    """The real twin, and the agents that play in it; each process has its own."""

    def __init__(self, config: PlanningSuccessConfig) -> None:
        """Loads the model of a completed configuration."""
        assert config.checkpoint and config.max_steps, "completed"
        if config.threads is not None or config.processes > 1:
            torch.set_num_threads(config.threads or max(1, torch.get_num_threads() // config.processes))
        task: Task = TASKS[config.task]
        self.max_steps = config.max_steps
        self.env = gym.make(task.env, split=config.split, disable_env_checker=True, **task.options)
        vocabulary = self.env.unwrapped.get_action_meanings()  # type: ignore[attr-defined]
        self.model = WorldModel.from_pretrained(config.checkpoint, device=config.device)
        self.agents = task.agents(self.model, vocabulary, Budget(model_steps=config.model_steps), task.settings)

    def play(self, agent: str, seed: int) -> dict[str, Any]:
        """Plays one episode; see `play`."""
        return play(self.env, self.agents[agent](seed), seed, self.max_steps)


def _played(
    config: PlanningSuccessConfig, match: Match, jobs: Sequence[tuple[str, int]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields episodes by agent as they end."""
    if config.processes == 1:
        yield from ((agent, match.play(agent, seed)) for agent, seed in jobs)
        return
    pool = ProcessPoolExecutor(config.processes, get_context("spawn"), _begin_worker, (config,))
    try:
        agents = {pool.submit(_play_in_worker, agent, seed): agent for agent, seed in jobs}
        for future in as_completed(agents):
            yield agents[future], future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # after an error nobody waits for what is queued


_matches: list[Match] = []  # of a process that only plays


def _begin_worker(config: PlanningSuccessConfig) -> None:
    Thread(target=_exit_with_the_parent, daemon=True).start()
    _matches.append(Match(config))


def _exit_with_the_parent() -> None:
    parent = parent_process()
    assert parent is not None, "spawned"
    parent.join()
    os._exit(1)  # a killed run leaves nobody playing


def _play_in_worker(agent: str, seed: int) -> dict[str, Any]:
    return _matches[0].play(agent, seed)


def measure(config: PlanningSuccessConfig) -> dict[str, Any]:
    """Plays what is not in the log yet.

    Args:
        config: Completed.

    Returns:
        The results as JSON values.
    """
    assert config.checkpoint and config.max_steps and config.output, "completed"
    match = Match(config)
    fingerprint = _fingerprint(config)
    log = config.output.with_suffix(".episodes.jsonl")
    done = _read_log(log, fingerprint)
    jobs = [(agent, config.seed + i) for i in range(config.episodes) for agent in match.agents]
    left = [job for job in jobs if job not in done]
    for agent, episode in tqdm(_played(config, match, left), total=len(left), disable=not config.progress):
        done[agent, episode["seed"]] = episode
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"agent": agent, "fingerprint": fingerprint, **episode}) + "\n")
    played = {agent: [done[agent, config.seed + i] for i in range(config.episodes)] for agent in match.agents}
    return {
        "checkpoint": config.checkpoint,
        "weights_hash": match.model.card.weights_hash,
        "dtype": str(next(match.model.parameters()).dtype),
        **machine(config.device),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "settings": dict(TASKS[config.task].settings),
        "agents": {agent: _summary(episodes) for agent, episodes in played.items()},
        "episodes": played,
    }


def _fingerprint(config: PlanningSuccessConfig) -> str:
    """What must be equal in a run that goes on, as JSON."""
    same = replace(config, episodes=0, progress=False, threads=None, processes=1, output=None)
    facts = {"weights_hash": read_card(str(config.checkpoint)).weights_hash, **asdict(same)}
    facts |= TASKS[config.task].settings
    return json.dumps(facts, sort_keys=True, default=str)


def _read_log(path: Path, fingerprint: str) -> dict[tuple[str, int], dict[str, Any]]:
    """Returns the episodes that are done.

    Raises:
        ValueError: They are of another configuration.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = text.splitlines()
    if lines and not text.endswith("\n"):  # a kill cut it
        lines = lines if lines[-1].endswith("}") else lines[:-1]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    done = {}
    for line in map(json.loads, lines):
        agent, known = line.pop("agent"), line.pop("fingerprint")
        if known != fingerprint:
            raise ValueError(f"{path} must be of this configuration, got another; choose another --output")
        done[agent, line["seed"]] = line
    return done


def _summary(episodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns success with its 95 % Wilson interval, the mean best reward with its standard error, and medians."""
    count, best = len(episodes), np.array([episode["best_reward"] for episode in episodes])
    won, z = int((best >= 1).sum()), 1.96
    share = won / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    costs = {
        name: float(np.median([episode[name] for episode in episodes]))
        for name in ("steps", "num_plans", "model_steps", "seconds")
        if name in episodes[0]
    }
    return {
        "episodes": count,
        "successes": won,
        "success": share,
        "interval": [middle - half, middle + half],
        "best_reward": float(best.mean()),
        "best_reward_error": float(best.std() / np.sqrt(count)),
        **costs,
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    lines = [
        f"{results['checkpoint']} on {results['device_name']}",
        f"{'agent':14}{'n':>5}{'success':>9}  {'95 % interval':18}best reward of a step",
    ]
    for agent, summary in results["agents"].items():
        low, high = summary["interval"]
        interval = f"{low:.1%} to {high:.1%}"
        best = f"{summary['best_reward']:.3f} +- {summary['best_reward_error']:.3f}"
        lines.append(f"{agent:14}{summary['episodes']:5}{summary['success']:9.1%}  {interval:18}{best}")
    return "\n".join(lines)


def main(config: PlanningSuccessConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    config = config.completed()
    assert config.output is not None, "completed"
    results = measure(config)
    print(render(results))
    config.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(config.output)


if __name__ == "__main__":
    main(tyro.cli(PlanningSuccessConfig, description=__doc__))
