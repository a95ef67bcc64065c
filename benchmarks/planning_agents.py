"""Who acts in `benchmarks.planning_success`: planning agents, and what they would do without a world model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from policies.planner import PlanningPolicy
from wm_gym.planning import BestFirstSearch, BestOfN, Budget, Objective, PlanProposer, TextGoal
from wm_gym.world_model import WorldModel

STICKINESS = 0.6  # of the random policy that recorded MiniGrid

Predict: TypeAlias = Callable[[Any, Any, Any], tuple[Any, Any]]
Agents: TypeAlias = Mapping[str, Callable[[int], Predict]]
"""Name -> the agent of an episode, by the episode's seed."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be done.

    Attributes:
        checkpoint: the world model, where none is named.
        env: the real twin, acted in with texts.
        options: its arguments.
        max_steps: an episode without success until then is a failure.
        settings: of the planner, by name.
        agents: makes the agents from a model, its vocabulary, the budget of a plan and the settings.
    """

    checkpoint: str
    env: str
    options: Mapping[str, Any]
    max_steps: int
    settings: Mapping[str, float]
    agents: Callable[[WorldModel, Sequence[str], Budget, Mapping[str, float]], Agents]


def doorkey_agents(
    model: WorldModel, vocabulary: Sequence[str], budget: Budget, settings: Mapping[str, float]
) -> Agents:
    """Best-first search for the reward; every text with the same probability; and the same with the last one held."""
    objective = Objective(uncertainty_penalty=settings["uncertainty_penalty"], enough=settings["enough"])
    num_worlds = int(settings["num_worlds"])
    search = BestFirstSearch(model, vocabulary, objective=objective, budget=budget, num_worlds=num_worlds)
    return {
        "planner": lambda seed: PlanningPolicy(model, search, seed=seed).predict,
        "prior": lambda seed: random_predict(vocabulary, np.random.default_rng(seed), 0.0),
        "sticky prior": lambda seed: random_predict(vocabulary, np.random.default_rng(seed), STICKINESS),
    }


def pusht_agents(model: WorldModel, vocabulary: Sequence[str], budget: Budget, settings: Mapping[str, float]) -> Agents:
    """Pushes drawn around the T: the one that brings it nearest to the goal in the dream, and simply the first one."""
    from policies.pusht.proposals import nearness, push_texts  # an extra

    goal = TextGoal(text="the T is on the goal", critic=nearness)
    objective = Objective(goal=goal, discount=settings["discount"], uncertainty_penalty=0.0)
    num_plans, tolerance = int(settings["num_plans"]), settings["tolerance"]

    def planner(seed: int) -> Predict:
        search = BestOfN(model, push_texts, objective=objective, budget=budget, num_plans=num_plans, seed=seed)
        return PlanningPolicy(model, search, tolerance=tolerance, max_refutations=0, seed=seed).predict

    return {"planner": planner, "prior": lambda seed: prior_predict(push_texts, np.random.default_rng(seed))}


TASKS = {
    "doorkey": Task(
        checkpoint="minigrid",
        env="envs:real/MiniGrid-v0",
        options={"layout": "doorkey"},
        max_steps=256,
        settings={"uncertainty_penalty": 0.1, "enough": 0.3, "num_worlds": 32},
        agents=doorkey_agents,
    ),
    "pusht": Task(
        checkpoint="pusht",
        env="envs:real/PushT-v0",
        options={},
        max_steps=100,
        settings={
            "num_plans": 64,
            "discount": 0.995,  # among pushes that end equally well the shortest is best
            "tolerance": 25.0,  # grey levels: a T that is off by half a pixel is no surprise
        },
        agents=pusht_agents,
    ),
}


def random_predict(vocabulary: Sequence[str], rng: np.random.Generator, stickiness: float) -> Predict:
    """Says texts at random; `predict` of a policy without a model."""
    last = [str(rng.choice(vocabulary))]

    def predict(observation: Any, state: Any, episode_start: Any) -> tuple[str, None]:
        if rng.random() >= stickiness:
            last[0] = str(rng.choice(vocabulary))
        return last[0], None

    return predict


def prior_predict(propose: PlanProposer, rng: np.random.Generator) -> Predict:
    """Follows the first plan proposed to its end, then the next one; `predict` of a policy without a model."""
    rest: list[Any] = []

    def predict(observation: Any, state: Any, episode_start: Any) -> tuple[Any, None]:
        nonlocal rest
        if not rest:
            rest = list(propose(observation[-1], 1, rng)[0])
        return rest.pop(0), None

    return predict
