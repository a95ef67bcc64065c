"""What a server may be asked to do, and who is told no."""

import pytest

from wm_gym.serve.config import ServeConfig, is_loopback


def test_only_this_machine_is_served_by_default() -> None:
    assert is_loopback(ServeConfig().host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org", ""])
def test_a_host_that_others_reach_needs_a_token(host: str) -> None:
    with pytest.raises(ValueError, match="token must be given for a host that other machines reach, got none"):
        ServeConfig(host=host)
    assert ServeConfig(host=host, token="0123456789abcdef").token == "0123456789abcdef"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"port": 70_000}, "port must be from 0 to 65535, got 70000"),
        ({"token": "short"}, "token must have at least 8 printable ASCII characters and no space, got 'short'"),
        ({"token": "two words"}, "token must have at least 8"),
        ({"token": "new\nline..."}, "token must have at least 8"),
        ({"max_states": 0}, "max_states must be at least 1, got 0"),
        ({"max_megabytes": -1}, "max_megabytes must be at least 1, got -1"),
        ({"max_wait": 0.0}, "max_wait must be a number of seconds above 0, got 0.0"),
        ({"max_wait": float("nan")}, "max_wait must be a number of seconds above 0, got nan"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ServeConfig(**options)  # type: ignore[arg-type]
