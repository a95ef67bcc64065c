"""One step of the whole model: what it returns, what it leaves alone, what it refuses, and that it repeats itself."""

import math
import re
import string
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.production import unchecked
from tests.tolerances import assert_near
from tests.worlds import FRAME_SIZE, TILES, tiny_world_model
from wm_gym.actions import check_text
from wm_gym.decoder.sampling import sample_chunk, write_chunk
from wm_gym.decoder.sigmas import sampling_sigmas
from wm_gym.world_model import StepOutput, WorldModel, world_noise
from wm_gym.world_state import WorldState

ACTIONS = ["go left", "slide down", "", "a text that nobody trained on"]


@pytest.fixture(scope="module", params=[(1, 1), (2, 2)], ids=["window 1, 1 frame", "window 2, 2 frames"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    window_chunks, chunk_frames = request.param
    return tiny_world_model(tmp_path_factory.mktemp("data"), window_chunks, chunk_frames)


def start(model: WorldModel, batch_size: int = 2) -> WorldState:
    return model.reset(model.starts["slide"][:batch_size], seeds=list(range(batch_size)))


def play(model: WorldModel, state: WorldState, num_steps: int) -> tuple[WorldState, list[StepOutput]]:
    """Steps with actions that differ by world and step."""
    outputs = []
    for number in range(num_steps):
        actions = [ACTIONS[(number + row) % len(ACTIONS)] for row in range(state.batch_size)]
        state, output = model.step(state, actions)
        outputs.append(output)
    return state, outputs


def assert_same_output(actual: StepOutput, expected: StepOutput) -> None:
    for name in ("frames", "reward", "terminated", "termination_probability", "uncertainty"):
        assert torch.equal(getattr(actual, name), getattr(expected, name)), name


def test_output_has_one_row_a_world(model: WorldModel) -> None:
    _, output = model.step(start(model), ["go left", "wait"])
    assert output.frames.shape == (2, model.card.chunk_frames, *FRAME_SIZE, 3)
    assert output.frames.dtype == torch.uint8
    for name, dtype in (("reward", torch.float32), ("terminated", torch.bool), ("uncertainty", torch.float32)):
        assert (getattr(output, name).shape, getattr(output, name).dtype) == ((2,), dtype)


def test_reward_is_one_of_the_datasets(model: WorldModel) -> None:
    _, outputs = play(model, start(model), 5)
    assert {float(reward) for output in outputs for reward in output.reward} <= {0.0, 1.0}


def test_terminated_is_a_probability_above_one_half(model: WorldModel) -> None:
    _, outputs = play(model, start(model, 4), 5)
    for output in outputs:
        assert bool(((output.termination_probability >= 0) & (output.termination_probability <= 1)).all())
        assert torch.equal(output.terminated, output.termination_probability > 0.5)


def test_latencies_name_every_stage(model: WorldModel) -> None:
    _, output = model.step(start(model), ["", ""])
    assert list(output.latencies) == ["transition", "decoder", "autoencoder", "heads"]
    assert all(seconds > 0 for seconds in output.latencies.values())


def test_next_state_shows_the_frames_of_the_output(model: WorldModel) -> None:
    state, output = model.step(start(model), ["go left", "wait"])
    assert torch.equal(state.frames, output.frames)
    assert torch.equal(state.latents, model.autoencoder.encode(output.frames))
    assert state.rounds.tolist() == [1, 1]
    assert state.seeds.tolist() == [0, 1]


def test_step_leaves_the_given_state_bit_identical(model: WorldModel) -> None:
    state, _ = play(model, start(model), 5)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    play(model, state, 3)
    for name, tensor in state.tensors().items():
        assert torch.equal(tensor, before[name]), name


def test_same_seeds_and_actions_give_the_same_bits(model: WorldModel) -> None:
    _, first = play(model, start(model), 12)
    _, second = play(model, start(model), 12)
    for one, other in zip(first, second, strict=True):
        assert_same_output(one, other)


def test_result_does_not_depend_on_torchs_generator(model: WorldModel) -> None:
    torch.manual_seed(1)
    _, first = play(model, start(model), 3)
    torch.manual_seed(2)
    _, second = play(model, start(model), 3)
    assert_same_output(first[-1], second[-1])


@pytest.mark.parametrize("changed", ["seed", "action", "start"])
def test_seed_action_and_start_each_matter(model: WorldModel, changed: str) -> None:
    frames = model.starts["slide"][[0, 1 if changed == "start" else 0]]
    state = model.reset(frames, seeds=[5, 6 if changed == "seed" else 5])
    _, output = model.step(state, ["go left", "go right" if changed == "action" else "go left"])
    assert not torch.equal(output.termination_probability[0], output.termination_probability[1])


def test_history_matters(model: WorldModel) -> None:
    state, _ = play(model, start(model), 3)
    fresh = replace(model.reset(state.frames, seeds=[0, 1]), rounds=state.rounds)
    one, other = (model.step(given, ["wait", "wait"])[1] for given in (state, fresh))
    assert not torch.equal(one.termination_probability, other.termination_probability)


def test_other_worlds_in_the_batch_change_no_bit(model: WorldModel) -> None:
    mine = model.reset(model.starts["slide"][[0, 1, 2]], seeds=[0, 1, 2])
    other = model.reset(model.starts["slide"][[3, 1, 4]], seeds=[8, 1, 9])
    for number in range(6):
        mine, one = model.step(mine, ["go left", ACTIONS[number % 4], "wait"])
        other, two = model.step(other, ["", ACTIONS[number % 4], "x" * 256])
        assert torch.equal(one.frames[1], two.frames[1])
        assert torch.equal(one.termination_probability[1], two.termination_probability[1])


def test_a_world_alone_equals_itself_in_a_batch(model: WorldModel) -> None:
    batch, _ = model.step(start(model, 4), ACTIONS)
    alone, _ = model.step(model.reset(model.starts["slide"][2:3], seeds=[2]), ACTIONS[2:3])
    assert_near(alone.transition.values, batch.transition.values[2:3])
    assert_near(alone.latents, batch.latents[2:3])


def test_worlds_of_different_ages_equal_their_own_runs(model: WorldModel) -> None:
    young, old = start(model, 1), play(model, start(model, 1), 7)[0]
    joined, _ = model.step(WorldState.cat([young, old]), ["wait", "wait"])
    for row, single in enumerate((young, old)):
        alone, _ = model.step(single, ["wait"])
        assert_near(joined.select([row]).transition.keys, alone.transition.keys)
        assert_near(joined.select([row]).latents, alone.latents)


def test_state_does_not_grow_over_hundreds_of_steps(model: WorldModel) -> None:
    state, _ = play(model, start(model, 1), 4)
    shapes = {name: tensor.shape for name, tensor in state.tensors().items()}
    with unchecked():
        for number in range(300):
            state, output = model.step(state, [ACTIONS[number % 4]])
    assert {name: tensor.shape for name, tensor in state.tensors().items()} == shapes
    assert state.rounds.tolist() == [304]
    assert bool(output.termination_probability.isfinite().all())


@torch.no_grad()
def test_steps_equal_one_pass_over_the_segment(model: WorldModel) -> None:
    """With the observations that were reached as history, training's segment pass sees what the steps saw."""
    first, worlds = start(model), [start(model)]
    actions = [["go left", "wait"], ["", "go down"], ["go right", "x"]]
    latent_states = []
    for texts in actions:
        latent_states.append(
            model.transition.step(worlds[-1].transition, worlds[-1].observation_tokens, model.encode_actions(texts))[0]
        )
        worlds.append(model.step(worlds[-1], texts)[0])
    tokens = torch.stack([model.encoder(world.latents) for world in worlds[:-1]], dim=1)
    action_tokens = torch.stack([model.encode_actions(texts) for texts in actions], dim=1)
    assert_near(torch.stack(latent_states, dim=1), model.transition(tokens, action_tokens))
    assert torch.equal(first.latents, worlds[0].latents)


@torch.no_grad()
def test_drawn_latents_are_decoded_and_encoded_again(model: WorldModel) -> None:
    state, (_, output) = start(model), play(model, start(model), 2)
    state, _ = model.step(state, ["go left", "slide down"])
    latent_state, _ = model.transition.step(
        state.transition, state.observation_tokens, model.encode_actions(["slide down", ""])
    )
    sigmas = sampling_sigmas(model.card.num_denoising_steps, model.decoder.config.shift)
    noise = world_noise(state, tuple(state.latents.shape[1:]))
    drawn = sample_chunk(model.decoder, state.decoder, state.latents[:, -1:], latent_state, noise, sigmas)
    frames = model.autoencoder.decode(drawn)
    assert torch.equal(frames, output[1].frames)
    distance = (drawn - model.autoencoder.encode(frames)).pow(2).mean(dim=2).sqrt()
    assert_near(output[1].uncertainty, distance.flatten(1).amax(dim=1))


@torch.no_grad()
def test_later_chunks_see_this_one_decoded_and_encoded_again(model: WorldModel) -> None:
    before, _ = model.step(start(model), ["go left", "slide down"])
    after, _ = model.step(before, ["slide down", ""])
    latent_state, _ = model.transition.step(
        before.transition, before.observation_tokens, model.encode_actions(["slide down", ""])
    )
    past, chunk = before.latents[:, -1:], after.latents[:, -model.card.chunk_frames :]
    assert_near(after.decoder.keys, write_chunk(model.decoder, before.decoder, chunk, past, latent_state).keys)


def test_noise_depends_on_seed_and_round_alone(model: WorldModel) -> None:
    state = start(model, 4)
    seeds, rounds = torch.tensor([3, 3, 3, 4]), torch.tensor([0, 1, 0, 0])
    noise = world_noise(replace(state, seeds=seeds, rounds=rounds), (2, 5))
    assert torch.equal(noise[0], noise[2])
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(noise[0], noise[3])
    later, _ = play(model, state, 3)
    again = world_noise(replace(later.select([2, 1, 0, 3]), seeds=seeds, rounds=rounds), (2, 5))
    assert torch.equal(noise, again)


def test_noise_is_standard_normal(model: WorldModel) -> None:
    noise = world_noise(start(model), (100, 100))
    assert abs(float(noise.mean())) < 0.03
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
    assert abs(float((noise[0] * noise[1]).mean())) < 0.04


def test_without_temperature_the_seed_does_not_matter(model: WorldModel) -> None:
    state = model.reset(model.starts["slide"][[0, 0]], seeds=[1, 2])
    _, output = model.step(state, ["wait", "wait"], temperature=0.0)
    one, other = output.frames.int()
    assert (one - other).abs().max() <= 1  # rows of a batch round apart


def test_number_of_denoising_steps_matters(model: WorldModel) -> None:
    one, many = (model.step(start(model), ["", ""], num_denoising_steps=number)[1] for number in (1, 5))
    assert not torch.equal(one.termination_probability, many.termination_probability)


def test_defaults_come_from_the_card(model: WorldModel) -> None:
    _, explicit = model.step(start(model), ["", ""], num_denoising_steps=3, temperature=0.5)
    card = model.card
    try:
        model.card = replace(card, num_denoising_steps=3, temperature=0.5)
        _, default = model.step(start(model), ["", ""])
    finally:
        model.card = card
    assert_same_output(default, explicit)


def test_text_is_encoded_alike_alone_and_beside_longer_ones(model: WorldModel) -> None:
    alone = model.eval().encode_actions(["go left"])
    beside = model.eval().encode_actions(["x" * 256, "go left", ""])
    assert torch.equal(beside[1:2], alone)


def test_longest_and_shortest_text_can_be_stepped(model: WorldModel) -> None:
    _, output = model.step(start(model), ["", string.printable + "~" * (256 - len(string.printable))])
    assert output.frames.shape[0] == 2


def test_remembered_texts_follow_the_weights(model: WorldModel) -> None:
    before = model.encode_actions(["go left"])
    with torch.no_grad():
        model.action_encoder.queries.weight += 0.5
    after = model.train().eval().encode_actions(["go left"])
    with torch.no_grad():
        model.action_encoder.queries.weight -= 0.5
    model.eval()
    assert (after - before).abs().max() > 0.1


def test_remembered_texts_follow_the_dtype(model: WorldModel) -> None:
    model.encode_actions(["go left"])
    try:
        assert model.double().encode_actions(["go left"]).dtype == torch.float64
    finally:
        model.float()
    assert model.encode_actions(["go left"]).dtype == torch.float32


def test_outputs_need_no_gradient(model: WorldModel) -> None:
    state, output = model.step(start(model), ["", ""])
    assert not any(tensor.requires_grad for tensor in state.tensors().values())
    assert not output.uncertainty.requires_grad
    assert not model.encode_actions(["never seen before"]).requires_grad


@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_reset_copies_the_frames(model: WorldModel, kind: str) -> None:
    frames = model.starts["slide"][:1].clone()
    state = model.reset(frames if kind == "tensor" else frames.numpy(), seeds=[0])
    frames[:] = 7
    assert torch.equal(state.frames, model.starts["slide"][:1])


def test_mirrored_frames_are_accepted(model: WorldModel) -> None:
    state = model.reset(model.starts["slide"][:1].numpy()[:, :, :, ::-1], seeds=[0])
    assert torch.equal(state.frames, model.starts["slide"][:1].flip(3))


def test_read_only_frames_are_accepted(model: WorldModel) -> None:
    frames = model.starts["slide"][:1].numpy().copy()
    frames.setflags(write=False)
    assert torch.equal(model.reset(frames, seeds=[0]).frames, model.starts["slide"][:1])


@pytest.mark.parametrize("change", ["size", "time", "batch", "channels", "none", "float", "int64", "list"])
def test_bad_frames_are_refused(model: WorldModel, change: str) -> None:
    good = model.starts["slide"][:1]
    cases: dict[str, tuple[Any, str]] = {
        "size": (good[:, :, :-1], f"got shape {tuple(good[:, :, :-1].shape)}; resize the frames"),
        "time": (good.repeat(1, 2, 1, 1, 1), "got shape"),
        "batch": (good[0], "got shape"),
        "channels": (good[..., :2], "got shape"),
        "none": (good[:0], "got shape"),
        "float": (good.numpy() / 255, "got dtype float64; scale to 0..255"),
        "int64": (good.long(), "got dtype torch.int64; scale to 0..255"),
        "list": (good.tolist(), "got list; pass a NumPy array"),
    }
    bad, value = cases[change]
    shape = f"(batch, {model.card.chunk_frames}, {FRAME_SIZE[0]}, {FRAME_SIZE[1]}, 3)"
    rule = re.escape(f"frames must be uint8 in 0..255 of shape {shape}, ")
    with unchecked(), pytest.raises(ValueError, match=rule + re.escape(value)):
        model.reset(bad, seeds=[0])


@pytest.mark.parametrize("seeds", [[], [1], [1, 2, 3], [0, -1], [0, 2**63], [0, 1.5], [0, None], 5])
def test_bad_seeds_are_refused(model: WorldModel, seeds: Any) -> None:
    rule = re.escape(f"seeds must be 2 integers from 0 to 2**63 - 1, one a world, got {seeds}")
    with unchecked(), pytest.raises(ValueError, match=rule):
        model.reset(model.starts["slide"][:2], seeds=seeds)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (3, "action must be a string such as 'turn left', got 3 of type int"),
        (None, "action must be a string such as 'turn left', got None of type NoneType"),
        ("x" * 257, "action must have at most 256 characters, got 257; shorten it"),
        ("go left\x00", r"action must be printable ASCII \(string.printable\), got \['\\x00'\]"),
        ("öffne", r"action must be printable ASCII \(string.printable\), got \['ö'\]"),
    ],
)
def test_bad_action_is_refused(model: WorldModel, action: Any, message: str) -> None:
    state = start(model)
    with pytest.raises(ValueError, match=message):
        check_text(action)
    with unchecked(), pytest.raises(ValueError, match=message):
        model.step(state, ["wait", action])
    model.step(state, ["wait", "wait"])


def test_good_actions_are_returned() -> None:
    for action in ("", "wait", string.printable, "~" * 256):
        assert check_text(action) == action


@pytest.mark.parametrize("actions", ["wait", ["wait"], ["wait"] * 3, [], None])
def test_wrong_number_of_actions_is_refused(model: WorldModel, actions: Any) -> None:
    rule = re.escape(f"actions must be a list of 2 texts, one a world, got {actions!r}")
    with unchecked(), pytest.raises(ValueError, match=rule):
        model.step(start(model), actions)


def test_state_of_another_checkpoint_is_refused(model: WorldModel) -> None:
    stranger = replace(start(model), weights_hash="0123456789abcdef")
    with pytest.raises(ValueError, match="state must come from this checkpoint .*, got one of 0123456789ab; load"):
        model.step(stranger, ["wait", "wait"])


@pytest.mark.parametrize("temperature", [-0.1, math.nan, math.inf])
def test_bad_temperature_is_refused(model: WorldModel, temperature: float) -> None:
    with pytest.raises(ValueError, match=f"temperature must be at least 0 and finite, got {temperature}"):
        model.step(start(model), ["", ""], temperature=temperature)


@pytest.mark.parametrize("number", [0, -1])
def test_bad_number_of_denoising_steps_is_refused(model: WorldModel, number: int) -> None:
    with pytest.raises(ValueError, match=f"num_denoising_steps must be at least 1, got {number}"):
        model.step(start(model), ["", ""], num_denoising_steps=number)


def test_latents_have_one_cell_a_tile(model: WorldModel) -> None:
    assert start(model).latents.shape == (2, model.card.chunk_frames, 4, TILES, TILES)


def test_frames_of_the_output_are_the_callers_own(model: WorldModel) -> None:
    state, output = model.step(start(model), ["", ""])
    before = state.frames.clone()
    output.frames.zero_()
    assert torch.equal(state.frames, before)


@pytest.mark.parametrize("name", ["latents", "observation_tokens", "transition.keys", "decoder.values", "rounds"])
def test_state_with_a_changed_tensor_is_refused(model: WorldModel, name: str) -> None:
    state = start(model)
    with unchecked():
        part, _, leaf = name.rpartition(".")
        wrong = {leaf: state.tensors()[name].double()}
        changed = replace(state, **({part: replace(getattr(state, part), **wrong)} if part else wrong))
        with pytest.raises(ValueError, match=re.escape(f"{name} of the state must be ")):
            model.step(changed, ["", ""])


def test_what_is_no_state_is_refused(model: WorldModel) -> None:
    with unchecked(), pytest.raises(ValueError, match="state must be a WorldState, got str; take one from"):
        model.step("state", ["", ""])  # type: ignore[arg-type]
