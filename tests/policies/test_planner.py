"""The planning agent: what it sees, what it answers, and that it holds no state."""

from collections.abc import Sequence

import numpy as np
import pytest

from policies.planner import PlanningPolicy
from tests.endless_worlds import set_termination_logit
from tests.worlds import tiny_general_model, tiny_world_model
from wm_gym.actions import Action
from wm_gym.env import WorldModelEnv
from wm_gym.planning import BeamSearch, Budget, Objective, Plan, Refutation
from wm_gym.play.pilot import load_pilot
from wm_gym.play.request import Request
from wm_gym.play.session import Session
from wm_gym.play.stage import Stage
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

VOCABULARY = ("go left", "go right", "go down", "wait")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    model = tiny_world_model(tmp_path_factory.mktemp("data"))
    set_termination_logit(model, -20.0)
    return model


def search(model: WorldModel) -> BeamSearch:
    return BeamSearch(model, VOCABULARY, objective=Objective(), budget=Budget(model_steps=40), width=2, horizon=3)


class Recording:
    """A planner that keeps the states it was given."""

    def __init__(self, model: WorldModel) -> None:
        self._search = search(model)
        self.states: list[WorldState] = []

    def plan(
        self, state: WorldState, warm_start: Sequence[Action] = (), refutations: Sequence[Refutation] = ()
    ) -> Plan:
        self.states.append(state)
        return self._search.plan(state, warm_start, refutations)


def test_texts_are_said_to_chunks(model: WorldModel) -> None:
    policy = PlanningPolicy(model, search(model))
    chunk = model.starts["slide"][0].numpy()
    action, state = policy.predict(chunk)
    assert action in VOCABULARY and len(state) == 1
    again, later = policy.predict(chunk, state)
    assert again in VOCABULARY and later is not state


def test_numbers_are_answered_to_frames(model: WorldModel) -> None:
    policy = PlanningPolicy(model, search(model), vocabulary=VOCABULARY)
    frames = model.starts["slide"][:3, 0].numpy()
    action, _ = policy.predict(frames[0])
    assert action in range(4)
    actions, state = policy.predict(frames, None, np.array([True] * 3))
    assert actions.shape == (3,) and len(state) == 3


def test_plan_is_followed_while_frames_are_as_imagined(model: WorldModel) -> None:
    policy = PlanningPolicy(model, search(model))
    action, state = policy.predict(model.starts["slide"][0].numpy())
    plan = state[0].pursuit.plan
    _, later = policy.predict(plan.frames[:1], state)
    assert later[0].pursuit.plan is plan or len(plan.actions) == 1
    assert action == plan.actions[0]
    _, surprised = policy.predict(np.zeros((1, 32, 32, 3), np.uint8), state)
    assert surprised[0].pursuit.plan is not plan and surprised[0].pursuit.num_plans == 2


def test_new_episode_forgets(model: WorldModel) -> None:
    policy = PlanningPolicy(model, search(model))
    chunk = model.starts["slide"][0].numpy()
    _, state = policy.predict(chunk)
    _, fresh = policy.predict(chunk, state, np.array([True]))
    assert fresh[0].pursuit.num_plans == 1


def test_plan_begins_in_what_was_seen(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = tiny_general_model(tmp_path_factory.mktemp("general"))  # looks back on two frames
    planner = Recording(model)
    policy = PlanningPolicy(model, planner)
    chunks = model.starts["slide"][:3].numpy()
    _, state = policy.predict(chunks[0])
    policy.predict(chunks[1], state)
    expected = model.reset(np.concatenate([chunks[0], chunks[1]])[None], seeds=[0])
    np.testing.assert_array_equal(planner.states[1].latents, expected.latents)
    assert planner.states[0].seeds.tolist() != planner.states[1].seeds.tolist()


@pytest.mark.parametrize("observation", [np.zeros((32, 32, 3)), np.zeros((32, 3), np.uint8), "frame"])
def test_other_observations_are_refused(model: WorldModel, observation: object) -> None:
    with pytest.raises(ValueError, match="observation must be uint8 with 4 axes, or 5 for a batch"):
        PlanningPolicy(model, search(model)).predict(observation)


def test_memory_of_another_batch_is_refused(model: WorldModel) -> None:
    policy = PlanningPolicy(model, search(model))
    chunks = model.starts["slide"][:3].numpy()
    _, state = policy.predict(chunks)
    with pytest.raises(ValueError, match="state must be that of 2 envs, as observation is, got 3"):
        policy.predict(chunks[:2], state)


def test_it_plays() -> None:
    env = WorldModelEnv(world="minigrid")
    pilot = load_pilot("policies.planner:best_first", env)
    session = Session(Stage(env), pilot=pilot)
    session.apply(Request("reset", 0))
    for _ in range(64):
        scene = session.apply(Request("drive"))
        if scene.over:
            break
    assert scene.over and scene.panels[0].total == 1
