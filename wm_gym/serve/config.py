"""How a server of worlds listens, and how much it takes."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

MIN_TOKEN = 8  # characters


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """How a server of worlds listens, and how much it takes.

    Attributes:
        host: address to listen on; by default no other machine reaches it.
        port: to listen on; 0 takes any that is free.
        token: what a request must bring as "Authorization: Bearer TOKEN", or as the password of a URL,
            "http://any:TOKEN@host:8000"; a host that others reach needs one.
        device: where the model runs, as torch names it.
        max_states: states kept; the one that was not used for longest goes first.
        max_megabytes: memory that the states may take, in MiB.
        max_queue: requests that may wait for the model; one more is sent away.
        max_batch: requests that one call of the model answers at most. 1 makes every answer bit-exact; in a larger
            batch rounding may differ.
        max_wait: seconds that a request may wait for the model.
        max_denoising_steps: most decoder calls that a request may ask for.
        max_upload_megabytes: largest body of a request, in MiB.
        segments: folder for the GIFs of the segments, for clients on this machine that read files, as PAN's does. By
            default they are served over HTTP alone.

    Raises:
        ValueError: an option is out of range, or a host that others reach has no token.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    device: str = "cpu"
    max_states: int = 4096
    max_megabytes: int = 1024
    max_queue: int = 256
    max_batch: int = 32
    max_wait: float = 30.0
    max_denoising_steps: int = 100
    max_upload_megabytes: int = 8
    segments: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port < 2**16:
            raise ValueError(f"port must be from 0 to {2**16 - 1}, got {self.port}")
        limits = ("max_states", "max_megabytes", "max_queue", "max_batch", "max_denoising_steps")
        for name in (*limits, "max_upload_megabytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.max_wait > 0:
            raise ValueError(f"max_wait must be a number of seconds above 0, got {self.max_wait}")
        if self.token is not None and not (len(self.token) >= MIN_TOKEN and is_token(self.token)):
            rule = f"token must have at least {MIN_TOKEN} printable ASCII characters and no space"
            raise ValueError(f"{rule}, got {self.token!r}; make one with: openssl rand -hex 16")
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"token must be given for a host that other machines reach, got none for {self.host!r}; pass --token, "
                "or leave --host out to serve this machine alone"
            )


def is_token(text: str) -> bool:
    """Whether a text can stand in a header."""
    return all("!" <= character <= "~" for character in text)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
