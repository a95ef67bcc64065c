"""`WorldModelVectorEnv`: rows that equal single envs, ends and resets, saved batches and bad input."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

import wm_gym
from tests.endless_worlds import TEXTS, set_termination_logit
from tests.production import unchecked
from tests.worlds import tiny_general_model
from wm_gym.env import WorldModelEnv
from wm_gym.vector_env import WorldModelVectorEnv
from wm_gym.vector_state import VectorEnvState

assert wm_gym  # registers

MODES = [mode.value for mode in AutoresetMode]
ACTIONS = ("go left", "", "go down")


@pytest.fixture
def envs(checkpoint: Path) -> WorldModelVectorEnv:
    return WorldModelVectorEnv(3, checkpoint=checkpoint, render_mode="rgb_array")


@pytest.fixture(scope="module")
def general(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("general")
    tiny_general_model(folder / "data").save_pretrained(folder / "checkpoint")
    return folder / "checkpoint"


def make(id: str, mode: str, **arguments: Any) -> Any:
    """Three worlds in one batch."""
    return gym.make_vec(id, num_envs=3, max_episode_steps=4, autoreset_mode=mode, **arguments)


def make_single(id: str, mode: str, **arguments: Any) -> Any:
    """Three single envs stepped in turn by Gymnasium, the reference."""
    kwargs = {"autoreset_mode": mode}
    return gym.make_vec(
        id, num_envs=3, max_episode_steps=4, vectorization_mode="sync", vector_kwargs=kwargs, **arguments
    )


def assert_alike(actual: Any, expected: Any) -> None:
    """Fails unless two answers, or parts of them, have the same form and, up to rounding, the same content."""
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        for name, value in expected.items():
            assert_alike(actual[name], value)
    elif isinstance(expected, tuple) or (isinstance(expected, np.ndarray) and expected.dtype == object):
        for one, other in zip(actual, expected, strict=True):
            assert_alike(one, other)
    elif isinstance(expected, np.ndarray):
        assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
        tolerance = 1 if expected.dtype == np.uint8 else 1e-4
        np.testing.assert_allclose(actual.astype(np.float64), expected.astype(np.float64), atol=tolerance, rtol=0)
    else:
        assert actual == expected


def live(envs: WorldModelVectorEnv, num_steps: int = 4) -> list[Any]:
    """What the worlds answer, as comparable values."""
    steps = [envs.step([TEXTS[(number + row) % 5] for row in range(envs.num_envs)]) for number in range(num_steps)]
    return [tuple(part.tobytes() for part in parts) for *parts, _ in steps]


@pytest.mark.parametrize("mode", MODES)
def test_rows_equal_single_envs_through_ends_and_resets(checkpoint: Path, mode: str) -> None:
    batch, single = (each("wm_gym/World-v0", mode, checkpoint=checkpoint) for each in (make, make_single))
    assert_alike(batch.reset(seed=5), single.reset(seed=5))
    for _ in range(11):
        actual, expected = batch.step(ACTIONS), single.step(ACTIONS)
        assert_alike(actual, expected)
        if mode == "Disabled" and (ended := actual[3]).any():
            assert_alike(*(envs.reset(options={"reset_mask": ended.copy()}) for envs in (batch, single)))


@pytest.mark.parametrize("kind", ["", "Discrete", "Box"])
def test_every_kind_of_action_equals_single_envs(general: Path, kind: str) -> None:
    arguments = {"checkpoint": general, "world": "steer"}
    batch, single = (each(f"wm_gym/World{kind}-v0", "SameStep", **arguments) for each in (make, make_single))
    assert (batch.observation_space, batch.action_space) == (single.observation_space, single.action_space)
    assert_alike(batch.reset(seed=1)[0], single.reset(seed=1)[0])
    batch.action_space.seed(0)
    for _ in range(6):
        actions = batch.action_space.sample()
        assert_alike(batch.step(actions), single.step(actions))


def test_latents_of_a_row_are_the_single_envs(checkpoint: Path, envs: WorldModelVectorEnv) -> None:
    envs.reset(seed=7)
    alone = WorldModelEnv(checkpoint=checkpoint)
    alone.reset(seed=9)
    for text in TEXTS:
        envs.step(["go right", "x" * 256, text])
        alone.step(text)
    latents = envs.clone_state().world_state.latents[2]
    torch.testing.assert_close(latents, alone.clone_state().world_state.latents[0], atol=2e-3, rtol=0)  # a pixel


def test_neighbours_change_no_bit(checkpoint: Path) -> None:
    def run(seeds: list[int], others: str, mask: list[bool]) -> list[Any]:
        envs = WorldModelVectorEnv(3, checkpoint=checkpoint, max_episode_steps=5)
        envs.reset(seed=seeds)
        seen = []
        for number in range(12):
            if number == 3:
                envs.reset(options={"reset_mask": np.array(mask)})
            observations, rewards, *_, infos = envs.step([others, TEXTS[number % 5], others])
            seen.append((observations[1].tobytes(), rewards[1], infos.get("uncertainty", [0, 0])[1]))
        return seen

    assert run([0, 1, 2], "go left", [True, False, False]) == run([8, 1, 9], "", [True, False, True])


def test_reset_of_a_row_leaves_every_bit_of_the_others(envs: WorldModelVectorEnv) -> None:
    envs.reset(seed=0)
    live(envs)
    before = envs.clone_state()
    envs.reset(options={"reset_mask": np.array([False, True, False])})
    after = envs.clone_state()
    for name, tensor in after.world_state.tensors().items():
        assert torch.equal(tensor[[0, 2]], before.world_state.tensors()[name][[0, 2]])
    assert after.elapsed_steps.tolist() == [4, 0, 4]
    assert after.world_state.rounds.tolist() == [4, 0, 4]


def test_every_world_has_its_own_time_limit(checkpoint: Path) -> None:
    envs = WorldModelVectorEnv(2, checkpoint=checkpoint, max_episode_steps=3, autoreset_mode="Disabled")
    envs.reset(seed=0)
    envs.step(["", ""])
    envs.reset(options={"reset_mask": np.array([True, False])})
    truncations = [envs.step(["", ""])[3].tolist() for _ in range(2)]
    assert truncations == [[False, False], [False, True]]


def test_one_call_of_the_decoder_steps_all_worlds(envs: WorldModelVectorEnv) -> None:
    calls: list[int] = []
    blocks: Any = envs.model.decoder.transformer.blocks[0]
    blocks.register_forward_pre_hook(lambda block, given: calls.append(len(given[0])))
    envs.reset(seed=0)
    live(envs, 2)
    assert calls[0] == 3
    assert len(calls) == 2 * len(calls[::2])  # as many in either step
    assert set(calls) == {3}


def test_termination_is_the_heads(envs: WorldModelVectorEnv) -> None:
    set_termination_logit(envs.model, 9.0)
    envs.reset(seed=0)
    _, _, terminations, truncations, _ = envs.step(ACTIONS)
    assert (terminations.tolist(), truncations.tolist()) == ([True] * 3, [False] * 3)


def test_next_step_resets_ignore_the_action_and_reward_nothing(envs: WorldModelVectorEnv) -> None:
    set_termination_logit(envs.model, 9.0)
    envs.reset(seed=0)
    envs.step(ACTIONS)
    bad: Any = [None, None, None]
    _, rewards, terminations, truncations, infos = envs.step(bad)
    assert not (rewards.any() or terminations.any() or truncations.any())
    assert infos["_start"].all() and "uncertainty" not in infos


def test_max_uncertainty_truncates(checkpoint: Path) -> None:
    envs = WorldModelVectorEnv(2, checkpoint=checkpoint, max_uncertainty=0.0)
    envs.reset(seed=0)
    assert envs.step(["", ""])[3].tolist() == [True, True]


@pytest.mark.parametrize("arguments", [{"temperature": 0.0}, {"num_denoising_steps": 3}])
def test_sampler_arguments_are_those_of_the_single_env(checkpoint: Path, arguments: dict[str, Any]) -> None:
    envs = WorldModelVectorEnv(1, checkpoint=checkpoint, **arguments)
    alone = WorldModelEnv(checkpoint=checkpoint, **arguments)
    envs.reset(seed=0), alone.reset(seed=0)
    for text in TEXTS:
        np.testing.assert_array_equal(envs.step([text])[0][0], alone.step(text)[0])


def test_latencies_are_reported_for_every_row(checkpoint: Path) -> None:
    envs = WorldModelVectorEnv(2, checkpoint=checkpoint, report_latencies=True)
    envs.reset(seed=0)
    infos = envs.step(["", ""])[-1]
    assert infos["latencies"]["decoder"].tolist() == [envs.latencies["decoder"]] * 2


def test_a_list_of_seeds_seeds_each_world(envs: WorldModelVectorEnv) -> None:
    first, _ = envs.reset(seed=4)
    second, _ = envs.reset(seed=[6, 5, 4])
    np.testing.assert_array_equal(second, first[::-1])
    assert envs.np_random_seed == (6, 5, 4)


def test_seedless_resets_go_on_with_the_generators(envs: WorldModelVectorEnv) -> None:
    def starts() -> list[Any]:
        envs.reset(seed=0)
        return [envs.reset()[1]["index"].tolist() for _ in range(6)]

    first = starts()
    assert first == starts()
    assert len({tuple(each) for each in first}) > 1


def test_options_choose_the_start_of_all_rows(envs: WorldModelVectorEnv) -> None:
    observations, infos = envs.reset(seed=0, options={"index": 2})
    np.testing.assert_array_equal(observations, envs.model.starts["slide"][[2, 2, 2]].numpy())
    assert infos["index"].tolist() == [2, 2, 2]


def test_options_are_not_changed(envs: WorldModelVectorEnv) -> None:
    envs.reset(seed=0)
    options = {"reset_mask": np.array([True, False, True]), "index": 1}
    envs.reset(options=options)
    assert list(options) == ["reset_mask", "index"]


def test_restored_state_goes_on_bit_for_bit(checkpoint: Path) -> None:
    envs = WorldModelVectorEnv(3, checkpoint=checkpoint, max_episode_steps=5)
    envs.reset(seed=1)
    live(envs, 3)
    saved = envs.clone_state(include_rng=True)
    expected = live(envs, 14)  # with resets
    for _ in range(2):
        envs.restore_state(saved)
        assert live(envs, 14) == expected


def test_a_row_of_a_state_goes_on_in_a_single_env(checkpoint: Path) -> None:
    envs = WorldModelVectorEnv(1, checkpoint=checkpoint)
    envs.reset(seed=1)
    live(envs)
    alone = WorldModelEnv(checkpoint=checkpoint)
    alone.restore_state(envs.clone_state().row(0))
    assert alone.clone_state().elapsed_steps == 4
    np.testing.assert_array_equal(alone.step("go left")[0], envs.step(["go left"])[0][0])


def test_writing_into_what_was_returned_changes_nothing(envs: WorldModelVectorEnv) -> None:
    envs.reset(seed=0)
    expected = live(envs)
    observations, _ = envs.reset(seed=0)
    observations[:] = 0
    saved = envs.clone_state()
    saved.ended[:] = True
    assert live(envs) == expected


def test_render_gives_the_last_frames(chunk_checkpoint: Path) -> None:
    envs = WorldModelVectorEnv(2, checkpoint=chunk_checkpoint, render_mode="rgb_array")
    envs.reset(seed=0)
    observations = envs.step(["go left", ""])[0]
    frames = envs.render()
    assert frames is not None
    np.testing.assert_array_equal(np.stack(frames), observations[:, -1])


def test_render_without_a_mode_warns(checkpoint: Path) -> None:
    envs = WorldModelVectorEnv(1, checkpoint=checkpoint)
    envs.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode='rgb_array'"):
        assert envs.render() is None


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_episode_statistics_count_the_worlds_steps(checkpoint: Path, mode: str) -> None:
    envs = RecordEpisodeStatistics(make("wm_gym/World-v0", mode, checkpoint=checkpoint))
    envs.reset(seed=0)
    lengths = [infos["episode"]["l"] for *_, infos in (envs.step(ACTIONS) for _ in range(10)) if "episode" in infos]
    np.testing.assert_array_equal(lengths, np.full((2, 3), 4))


def test_infos_become_lists(checkpoint: Path) -> None:
    envs = DictInfoToList(make("wm_gym/World-v0", "SameStep", checkpoint=checkpoint))
    envs.reset(seed=0)
    infos: Any = [envs.step(ACTIONS)[-1] for _ in range(4)][-1]
    assert infos[0].keys() == {"start", "index", "final_obs", "final_info"}
    assert infos[0]["final_info"].keys() == {"rewards", "termination_probability", "uncertainty"}


@pytest.mark.parametrize("id", [id for id in gym.registry if id.startswith("wm_gym/")])
def test_every_id_has_a_vector_env_of_its_kind(id: str) -> None:
    spec = gym.spec(id)
    vector_class: Any = gym.envs.registration.load_env_creator(str(spec.vector_entry_point))
    assert vector_class.single_class is gym.envs.registration.load_env_creator(str(spec.entry_point))


def test_the_id_fills_in_its_time_limit_and_survives_json() -> None:
    envs = gym.make_vec("wm_gym/MiniGridDiscrete-v0", num_envs=2, autoreset_mode="SameStep")
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert envs.spec is not None
    spec = gym.envs.registration.EnvSpec.from_json(envs.spec.to_json())
    assert spec.kwargs["max_episode_steps"] == 256
    assert gym.make_vec(spec).num_envs == 2


BAD_ACTIONS: dict[str, tuple[Any, str]] = {
    "too few": (["", ""], "actions must be 3 actions, one a world, got 2 of them"),
    "too many": ([""] * 4, "actions must be 3 actions, one a world, got 4 of them"),
    "one text": ("go", "actions must be 3 actions, one a world, got 'go'"),
    "none": (None, "actions must be 3 actions, one a world, got None"),
    "a single number": (np.array(1), r"actions must be 3 actions, one a world, got array\(1\)"),
    "no text": (["", 3, ""], r"actions\[1\]: action must be a string"),
    "not printable": (["", "", "\x00"], r"actions\[2\]: action must be printable"),
    "numbers": ([np.zeros(2), "", ""], r"actions\[0\]: action must be a text"),
}


@pytest.mark.parametrize("case", BAD_ACTIONS)
def test_bad_actions_are_one_clear_error_and_change_nothing(envs: WorldModelVectorEnv, case: str) -> None:
    actions, message = BAD_ACTIONS[case]
    envs.reset(seed=0)
    expected = live(envs)
    envs.reset(seed=0)
    with unchecked(), pytest.raises(ValueError, match=message):
        envs.step(actions)
    assert live(envs) == expected


def test_bad_number_is_a_clear_error(checkpoint: Path) -> None:
    envs = gym.make_vec("wm_gym/WorldDiscrete-v0", num_envs=2, checkpoint=checkpoint)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions\[1\]: action must be an integer from 0 to 3, got .*4"):
        envs.step(np.array([0, 4]))


BAD_MASKS: dict[str, Any] = {
    "a list": [True, False, False],
    "integers": np.array([1, 0, 0]),
    "too short": np.array([True]),
    "nobody": np.zeros(3, np.bool_),
    "none": None,
}


@pytest.mark.parametrize("case", BAD_MASKS)
def test_bad_mask_is_one_clear_error_and_changes_nothing(envs: WorldModelVectorEnv, case: str) -> None:
    envs.reset(seed=0)
    expected = live(envs)
    envs.reset(seed=0)
    with unchecked(), pytest.raises(ValueError, match="reset_mask must be a bool array of 3, one a world"):
        envs.reset(options={"reset_mask": BAD_MASKS[case]})
    assert live(envs) == expected


BAD_RESETS: dict[str, tuple[dict[str, Any], str]] = {
    "seeds": ({"seed": [0, 1]}, "seed must be an integer from 0 up, or 3 of them"),
    "seed": ({"seed": -1}, "seed must be an integer from 0 up, or 3 of them"),
    "option": ({"options": {"level": 1}}, "options must be among"),
    "options": ({"options": 3}, "options must be a dict"),
    "world": ({"options": {"world": "pong"}}, "world must be 'slide', got 'pong'"),
}


@pytest.mark.parametrize("case", BAD_RESETS)
def test_bad_reset_is_a_clear_error_and_changes_nothing(envs: WorldModelVectorEnv, case: str) -> None:
    arguments, message = BAD_RESETS[case]
    envs.reset(seed=0)
    expected = live(envs)
    envs.reset(seed=0)
    with unchecked(), pytest.raises(ValueError, match=message):
        envs.reset(**arguments)
    assert live(envs) == expected


BAD_ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "num_envs": ({"num_envs": 0}, "num_envs must be an integer and at least 1, got 0"),
    "limit": ({"max_episode_steps": 0}, "max_episode_steps must be an integer and at least 1, got 0"),
    "mode": ({"autoreset_mode": "never"}, "autoreset_mode must be an AutoresetMode or one of 'NextStep'.*got 'never'"),
    "render mode": ({"render_mode": "human"}, "render_mode of a vector env must be None or 'rgb_array', got 'human'"),
    "temperature": ({"temperature": -1.0}, "temperature must be a finite number and at least 0"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_argument_is_a_clear_error(checkpoint: Path, case: str) -> None:
    arguments, message = BAD_ARGUMENTS[case]
    with unchecked(), pytest.raises(ValueError, match=message):
        WorldModelVectorEnv(checkpoint=checkpoint, **arguments)


BEFORE_RESET: list[Callable[[WorldModelVectorEnv], Any]] = [
    lambda envs: envs.step(ACTIONS),
    lambda envs: envs.render(),
    lambda envs: envs.clone_state(),
    lambda envs: envs.reset(options={"reset_mask": np.array([True, False, False])}),
]


@pytest.mark.parametrize("use", BEFORE_RESET)
def test_use_before_reset_is_a_clear_error(envs: WorldModelVectorEnv, use: Callable[..., Any]) -> None:
    with pytest.raises(ResetNeeded, match=r"all worlds must be reset before .*call reset\(\)"):
        use(envs)


def test_step_of_an_ended_row_without_autoreset_names_it(checkpoint: Path) -> None:
    envs = WorldModelVectorEnv(2, checkpoint=checkpoint, max_episode_steps=2, autoreset_mode="Disabled")
    envs.reset(seed=0)
    envs.step(["", ""])
    envs.reset(options={"reset_mask": np.array([True, False])})
    envs.step(["", ""])
    with pytest.raises(ResetNeeded, match=r"got worlds \[1\] that ended; call reset\(options="):
        envs.step(["", ""])


@pytest.mark.parametrize("use", [*BEFORE_RESET[:2], WorldModelVectorEnv.reset])
def test_closed_env_is_one_clear_error(envs: WorldModelVectorEnv, use: Callable[..., Any]) -> None:
    envs.reset(seed=0)
    envs.close()
    envs.close()
    with pytest.raises(ClosedEnvironmentError, match=r"must not be called after close\(\)"):
        use(envs)


def test_foreign_states_are_clear_errors(envs: WorldModelVectorEnv, checkpoint: Path, chunk_checkpoint: Path) -> None:
    def state_of(num_envs: int, folder: Path) -> VectorEnvState:
        other = WorldModelVectorEnv(num_envs, checkpoint=folder)
        other.reset(seed=0)
        return other.clone_state()

    with pytest.raises(ValueError, match=r"state must come from clone_state\(\) of a vector env, got EnvState"):
        envs.restore_state(state_of(1, checkpoint).row(0))
    with pytest.raises(ValueError, match="state must hold 3 worlds, got 2"):
        envs.restore_state(state_of(2, checkpoint))
    with pytest.raises(ValueError, match="state must come from this checkpoint"):
        envs.restore_state(state_of(3, chunk_checkpoint))


def test_generators_of_other_worlds_are_refused(envs: WorldModelVectorEnv) -> None:
    envs.reset(seed=0)
    state = envs.clone_state(include_rng=True)
    assert state.rng is not None
    with pytest.raises(ValueError, match="state must hold 3 generators, got 2"):
        envs.restore_state(replace(state, rng=state.rng[:2]))
    with pytest.raises(ValueError, match="state must be of the world 'slide', got one of 'elsewhere'"):
        envs.restore_state(replace(state, world="elsewhere"))
