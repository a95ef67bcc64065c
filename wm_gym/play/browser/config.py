"""How a server of pages listens, and how much it takes."""

import ipaddress
import secrets
from dataclasses import dataclass

MIN_TOKEN = 8  # characters


@dataclass(frozen=True, kw_only=True)
class BrowserConfig:
    """How a server of pages listens, and how much it takes.

    Attributes:
        host: address to listen on; by default no other machine reaches it.
        port: to listen on; 0 takes any that is free.
        token: what a page must know. None asks for nothing on a loopback host, and elsewhere makes one up.
        max_players: sessions at one time.
        resume_seconds: for how long the session of a lost page waits for it.
        idle_seconds: after which a session ends for which nobody did anything.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    max_players: int = 8
    resume_seconds: float = 60.0
    idle_seconds: float = 900.0

    def __post_init__(self) -> None:
        """Check the options; a host that others reach gets a token.

        Raises:
            ValueError: an option is out of range.
        """
        if not 0 <= self.port < 2**16:
            raise ValueError(f"port must be from 0 to {2**16 - 1}, got {self.port}")
        if self.max_players < 1:
            raise ValueError(f"max_players must be at least 1, got {self.max_players}")
        if self.token is None and not is_loopback(self.host):
            object.__setattr__(self, "token", secrets.token_urlsafe(16))
        if self.token is not None and not (len(self.token) >= MIN_TOKEN and self.token.isascii()):
            rule = f"token must have at least {MIN_TOKEN} ASCII characters"
            raise ValueError(f"{rule}, got {self.token!r}; leave it out, and a host that others reach gets a new one")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
