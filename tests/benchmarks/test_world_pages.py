"""The committed pages are those that the code describes now."""

import pytest

from benchmarks.world_pages import page_path, world_page
from wm_gym.worlds import WORLDS


@pytest.mark.parametrize("name", WORLDS)
def test_page_is_not_stale(name: str) -> None:
    """Run `python3 -m benchmarks.world_pages` where this fails."""
    assert page_path(name).read_text() == world_page(name)


def test_page_lists_every_action_and_argument() -> None:
    page = world_page("minigrid")
    for word in (
        "| 5 | toggle |",
        "`max_uncertainty`",
        "`wm_gym/MiniGridDiscrete-v0`",
        "whole state equal",
        "`max_episode_steps`",
        "`autoreset_mode`",
        "`layout`",
        "Brier",
        "rewards lie in [0, 1]",
    ):
        assert word in page


def test_world_without_weights_says_so() -> None:
    assert "No weights of it come with the package yet" in world_page("crafter")
