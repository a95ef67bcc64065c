"""`WorldModelVectorEnv`: rows that equal single envs, ends and resets, saved batches."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

import wm_gym
from tests.endless_worlds import TEXTS, set_termination_logit
from tests.worlds import FRAME_SIZE, tiny_general_model
from wm_gym.env import WorldModelEnv
from wm_gym.vector_env import WorldModelVectorEnv

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


def test_an_end_by_uncertainty_is_told_from_a_time_limit(checkpoint: Path) -> None:
    for limit, stopped in ((0.0, True), (1e9, False)):
        envs = WorldModelVectorEnv(2, checkpoint=checkpoint, max_uncertainty=limit, max_episode_steps=1)
        envs.reset(seed=0)
        truncations, infos = envs.step(["", ""])[3:]
        assert truncations.all()
        assert infos["uncertainty_stop"].tolist() == [stopped] * 2


@pytest.mark.parametrize("mode", MODES)
def test_starts_of_the_users_last_through_every_autoreset(checkpoint: Path, mode: str) -> None:
    starts = np.stack([np.full((*FRAME_SIZE, 3), shade, np.uint8) for shade in (40, 90)])
    envs = WorldModelVectorEnv(3, checkpoint=checkpoint, starts=starts, max_episode_steps=1, autoreset_mode=mode)
    seen = [envs.reset(seed=0)[0]]
    for _ in range(8):
        observations, _, _, truncations, _ = envs.step(ACTIONS)
        if mode == "Disabled":
            observations, _ = envs.reset(options={"reset_mask": truncations})
        elif mode == "NextStep":
            observations = envs.step(ACTIONS)[0]
        seen.append(observations)
    shades = [chunk[0] for observations in seen for chunk in observations]
    assert all(any((chunk == start).all() for start in starts) for chunk in shades)
    assert len({int(chunk.max()) for chunk in shades}) == 2


@pytest.mark.parametrize(
    "arguments", [{"temperature": 0.0}, {"num_denoising_steps": 3}, {"context_noise": 0.2}, {"guidance_scale": 2.0}]
)
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
