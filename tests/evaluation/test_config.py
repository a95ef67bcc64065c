"""The evaluation's config."""

import re
from typing import Any

import pytest

from wm_gym.evaluation.config import FidelityConfig, FollowingConfig, chosen_worlds, for_world
from wm_gym.evaluation.world_plans import PLANS
from wm_gym.world_card import ModelCard, WorldCard
from wm_gym.worlds import WORLDS


def card(*worlds: str) -> ModelCard:
    """A checkpoint's, with these worlds."""
    world = WorldCard(render_fps=5, action_phrases={"wait": ("wait",)}, key_map={}, reward_range=(0.0, 1.0))
    return ModelCard(worlds=dict.fromkeys(worlds, world), frame_size=(64, 64), chunk_frames=1)


def test_horizons_are_powers_of_four_up_to_64() -> None:
    assert FidelityConfig(horizon=64).horizons == (1, 4, 16, 64)


def test_last_step_is_always_a_horizon() -> None:
    assert FidelityConfig(horizon=20).horizons == (1, 4, 16, 20)


def test_drift_horizons_end_at_last_step() -> None:
    assert FidelityConfig(drift_steps=300).drift_horizons == (10, 100, 300)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"rollouts": 0}, "rollouts must be at least 1, got 0"),
        ({"horizon": -3}, "horizon must be at least 1, got -3"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"drift_rollouts": -1}, "drift_rollouts must be at least 0, got -1"),
        ({"policies": ()}, "policies must name at least one policy"),
        ({"lead_steps": (4, 2)}, "lead_steps must be two numbers from 0 up, the smaller first, got \\(4, 2\\)"),
    ],
)
def test_bad_value_names_rule(values: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        FidelityConfig(**values)


def test_every_known_world_has_a_plan() -> None:
    assert list(PLANS) == list(WORLDS)


@pytest.mark.parametrize("world", WORLDS)
def test_world_brings_its_twin_and_policies(world: str) -> None:
    found = FidelityConfig().resolve(card(world))
    assert (found.world, found.twin) == (world, WORLDS[world].twin)
    assert (found.policies, found.lead_steps) == (PLANS[world].policies, PLANS[world].lead_steps)


def test_named_twin_and_policies_win() -> None:
    config = FidelityConfig(world="pong", twin="mine:Pong-v0", policies=("mine:play",), lead_steps=(1, 2))
    found = config.resolve(card("minigrid", "pong"))
    assert (found.twin, found.policies, found.lead_steps) == ("mine:Pong-v0", ("mine:play",), (1, 2))


def test_several_worlds_need_one_named() -> None:
    with pytest.raises(ValueError, match="world must be one of minigrid, pong, got None"):
        FidelityConfig().resolve(card("minigrid", "pong"))


def test_own_world_needs_a_twin_and_policies() -> None:
    with pytest.raises(ValueError, match="twin must be named for 'slide', which is none of minigrid, "):
        FidelityConfig().resolve(card("slide"))
    with pytest.raises(ValueError, match="policies must be named for 'slide'"):
        FidelityConfig(twin="mine:Slide-v0").resolve(card("slide"))


def test_drift_needs_a_policy_that_ends_nothing() -> None:
    with pytest.raises(ValueError, match="drift_policy must be named for the world 'pong'"):
        FidelityConfig(drift_rollouts=1).resolve(card("pong"))


def test_other_world_brings_its_own_twin() -> None:
    config = for_world(FidelityConfig(rollouts=3, drift_rollouts=2), "pong")
    found = config.resolve(card("minigrid", "pong"))
    assert (found.world, found.twin, found.rollouts) == ("pong", WORLDS["pong"].twin, 3)
    assert found.drift_rollouts == 0  # no policy of Pong plays for ever


@pytest.mark.parametrize(("name", "value"), [("world", "pong"), ("twin", "mine:Pong-v0"), ("lead_steps", (1, 2))])
def test_worlds_side_by_side_bring_all_that_is_theirs(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be left out to compare worlds, got {re.escape(repr(value))}"):
        for_world(FidelityConfig(**{name: value}), "minigrid")


def test_worlds_are_chosen_with_commas() -> None:
    assert chosen_worlds(card("minigrid", "pong", "crafter"), "crafter, minigrid") == ("crafter", "minigrid")
    assert chosen_worlds(card("minigrid", "pong"), None) == ("minigrid", "pong")
    with pytest.raises(ValueError, match="world must be one of minigrid, pong, got 'doom'"):
        chosen_worlds(card("minigrid", "pong"), "doom")


@pytest.mark.parametrize("values", [{"num_probes": -1}, {"num_training_probes": 0}])
def test_bad_number_of_probes_names_rule(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(values))} must be at least"):
        FollowingConfig(**values)  # type: ignore[arg-type]
