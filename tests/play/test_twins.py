"""Real twins by the name of their world."""

import pytest

from wm_gym.play.twins import make_twin


def test_a_world_finds_its_twin() -> None:
    pytest.importorskip("minigrid")
    env = make_twin("minigrid", None, '{"layout": "doorkey"}')
    assert env.reset(seed=0)[1]["layout"] == "doorkey"
    env.reset(seed=0)
    for _ in range(300):  # no time limit
        assert env.step("wait")[2:4] == (False, False)


def test_a_world_without_a_twin_is_told() -> None:
    with pytest.raises(ValueError, match="world must have a real twin, got 'slide'; name one with --twin"):
        make_twin("slide", None, "{}")


@pytest.mark.parametrize("arguments", ["{", "[]", "3", '{"legs": 4}'])
def test_arguments_that_are_none_are_told(arguments: str) -> None:
    pytest.importorskip("minigrid")
    with pytest.raises(ValueError, match="twin_arguments must be a JSON object of arguments that the twin takes"):
        make_twin("minigrid", None, arguments)


def test_a_missing_module_is_told() -> None:
    with pytest.raises(ImportError, match=r"slide has no real twin here \(No module named 'nowhere'.*in a checkout"):
        make_twin("slide", "nowhere:real/Slide-v0", "{}")
