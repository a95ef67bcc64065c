"""Controllability of a step: other actions, other futures; equal ones, equal futures; and guidance scales it."""

import pytest
import torch

from tests.worlds import tiny_world_model
from wm_gym.decoder.guidance import Guidance
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    return tiny_world_model(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def shipped() -> WorldModel:
    return WorldModel.from_pretrained("minigrid")


def played(model: WorldModel) -> WorldState:
    state = model.reset(model.starts["slide"][:2], seeds=[0, 1])
    for _ in range(2):
        state, _ = model.step(state, ["go left", "wait"])
    return state


def drawn(
    model: WorldModel, guidance: Guidance | None, actions: tuple[str, str] = ("go left", "go right")
) -> WorldState:
    return model.step(played(model), list(actions), guidance=guidance)[0]


def same(one: WorldState, other: WorldState) -> bool:
    return all(torch.equal(each, other.tensors()[name]) for name, each in one.tensors().items())


def test_guidance_of_one_is_none_bit_for_bit(model: WorldModel) -> None:
    assert same(drawn(model, Guidance()), drawn(model, None))


@pytest.mark.parametrize("guidance", [Guidance(action_scale=3.0), Guidance(state_scale=3.0, action_scale=3.0)])
def test_a_scale_changes_what_is_drawn(model: WorldModel, guidance: Guidance) -> None:
    guided, plain = drawn(model, guidance), drawn(model, None)
    assert not torch.equal(guided.latents, plain.latents)
    assert torch.equal(guided.transition.keys, plain.transition.keys)  # the history hears of the action alone


def test_without_the_action_all_actions_draw_the_same(model: WorldModel) -> None:
    guidance = Guidance(action_scale=0.0)
    one, other = (drawn(model, guidance, (action, action)) for action in ("go left", "go down"))
    assert torch.equal(one.frames, other.frames)
    assert not torch.equal(one.transition.keys, other.transition.keys)


def test_guided_steps_repeat_themselves(model: WorldModel) -> None:
    guidance = Guidance(action_scale=2.0, state_scale=1.5)
    assert same(drawn(model, guidance), drawn(model, guidance))


def test_guidance_is_refused_in_a_window(model: WorldModel) -> None:
    swin = WorldModel(model.parts(), "swin").eval()
    with pytest.raises(ValueError, match='guidance must be left out under sampling "swin"'):
        drawn(swin, Guidance(action_scale=2.0))


def test_other_actions_lead_to_other_futures_and_equal_ones_to_the_same(shipped: WorldModel) -> None:
    """Counterfactuals of one state under one seed, three steps on."""
    state = shipped.reset(shipped.starts["minigrid"][:1], seeds=[5]).repeat(4)
    for actions in (["turn left", "turn left", "turn right", "wait"], ["move forward"] * 4, ["turn left"] * 4):
        state, _ = shipped.step(state, actions)
    frames = state.frames.int()
    assert torch.equal(frames[0], frames[1])
    for one, other in ((0, 2), (0, 3), (2, 3)):
        changed = (frames[one] - frames[other]).abs().amax(dim=-1) > 32
        assert int(changed.sum()) > 20  # pixels of the agent
