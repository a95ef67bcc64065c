"""What `--transfer` takes and refuses."""

from typing import Any

import pytest

from wm_gym.evaluation.transfer_config import TransferConfig


def test_twin_arguments_are_parsed_in_order() -> None:
    config = TransferConfig(twin_arguments=('{"layout": "empty"}', '{"layout": "doorkey"}'))
    assert config.parsed_arguments() == [{"layout": "empty"}, {"layout": "doorkey"}]
    assert TransferConfig().parsed_arguments() == [{}]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"transfer_episodes": 0}, "transfer_episodes must be at least 1, got 0"),
        ({"transfer_steps": -1}, "transfer_steps must be at least 1, got -1"),
        ({"transfer": ("random", "random")}, "transfer must name each policy once"),
        ({"twin_arguments": ("[1]",)}, "twin_arguments must be JSON objects, got '\\[1\\]'"),
        ({"twin_arguments": ("layout",)}, "twin_arguments must be JSON objects, got 'layout'"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        TransferConfig(**options)
