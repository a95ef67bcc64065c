"""Events: what happens to a world beside the action, in the round's action tokens and in the history."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.production import unchecked
from tests.tolerances import assert_near
from tests.worlds import tiny_autoencoder, tiny_dataset, tiny_size
from wm_gym.data.mixture import Mixture
from wm_gym.training.presets import untrained_world_model
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

EVENT = "the door opens"


@pytest.fixture(scope="module", params=[0, 2], ids=["no memory", "memory"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    size = replace(tiny_size(), memory_rounds=request.param, memory_slots=12)
    data = Mixture((tiny_dataset(tmp_path_factory.mktemp("data")),))
    return untrained_world_model(data, tiny_autoencoder(), size).eval()


def played(model: WorldModel, num_steps: int, batch_size: int = 2) -> WorldState:
    state = model.reset(model.starts["slide"][:batch_size], seeds=list(range(batch_size)))
    for number in range(num_steps):
        state, _ = model.step(state, [["go left", "wait"][(number + row) % 2] for row in range(batch_size)])
    return state


def same_state(one: WorldState, other: WorldState) -> bool:
    return all(torch.equal(each, other.tensors()[name]) for name, each in one.tensors().items())


def test_without_events_nothing_changes(model: WorldModel) -> None:
    state = played(model, 5)
    plain, _ = model.step(state, ["go left", "wait"])
    for events in (None, ["", ""]):
        assert same_state(model.step(state, ["go left", "wait"], events=events)[0], plain)


def test_an_event_changes_its_own_world_alone(model: WorldModel) -> None:
    state = played(model, 5)
    plain, before = model.step(state, ["wait", "wait"])
    told, after = model.step(state, ["wait", "wait"], events=["", EVENT])
    assert torch.equal(told.transition.keys[0], plain.transition.keys[0])
    assert torch.equal(before.termination_probability[0], after.termination_probability[0])
    assert not torch.equal(before.termination_probability[1], after.termination_probability[1])


def test_an_event_beside_no_action_is_said_like_an_action(model: WorldModel) -> None:
    state = played(model, 0)
    told, said = (
        model.step(state, actions, events=events)[0]
        for actions, events in (
            (["", ""], [EVENT, EVENT]),
            ([EVENT, EVENT], None),
        )
    )
    assert_near(told.transition.values, said.transition.values)


def test_a_model_with_memory_writes_its_history_again(model: WorldModel) -> None:
    """The rounds before the last one change only where memory knows what they were."""
    state = played(model, 3)
    plain, _ = model.step(state, ["wait", "wait"])
    told, _ = model.step(state, ["wait", "wait"], events=[EVENT, EVENT])
    tokens = model.transition.round_tokens
    past = slice(0, -tokens)
    unchanged = torch.equal(told.transition.values[:, :, :, past], plain.transition.values[:, :, :, past])
    assert unchanged is (state.memory is None)


def test_worlds_of_different_ages_write_their_own_history(model: WorldModel) -> None:
    young, old = played(model, 1, 1), played(model, 6, 1)
    joined, _ = model.step(WorldState.cat([young, old]), ["wait", "wait"], events=[EVENT, EVENT])
    for row, single in enumerate((young, old)):
        alone, _ = model.step(single, ["wait"], events=[EVENT])
        assert_near(joined.select([row]).transition.keys, alone.transition.keys)


@pytest.mark.parametrize("events", [EVENT, [EVENT], [EVENT] * 3])
def test_wrong_number_of_events_is_refused(model: WorldModel, events: Any) -> None:
    with unchecked(), pytest.raises(ValueError, match="events must be a list of 2 texts, one a world, got"):
        model.step(played(model, 0), ["", ""], events=events)


def test_event_that_is_no_printable_text_is_refused(model: WorldModel) -> None:
    state = played(model, 0)
    with unchecked(), pytest.raises(ValueError, match="must be printable ASCII"):
        model.step(state, ["", ""], events=["öffne", ""])
    with unchecked(), pytest.raises(ValueError, match="must have at most 256 characters"):
        model.step(state, ["", ""], events=["x" * 257, ""])


def test_an_event_told_again_counts_once_in_the_history(model: WorldModel) -> None:
    """The memory keeps what was done, not what happened beside it."""
    told = plain = played(model, 3)
    for _ in range(3):
        told, _ = model.step(told, ["wait", "go left"], events=[EVENT, EVENT])
        plain, _ = model.step(plain, ["wait", "go left"])
    if told.memory is not None and plain.memory is not None:
        assert torch.equal(told.memory.actions, plain.memory.actions)


def test_events_without_a_length_are_refused(model: WorldModel) -> None:
    with unchecked(), pytest.raises(ValueError, match="events must be a list of 2 texts"):
        model.step(played(model, 0), ["", ""], events=(each for each in ("", "")))  # type: ignore[arg-type]
