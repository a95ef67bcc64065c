"""`wm-gym serve`: a model behind the API, on a socket."""

import socket
from collections.abc import Callable

import gymnasium as gym

try:
    import python_multipart  # noqa: F401  (FastAPI reads forms with it)
    import uvicorn

    from wm_gym.serve.app import create_app
    from wm_gym.serve.porter import Porter
    from wm_gym.serve.protocol import Protocol
except ImportError as error:
    raise gym.error.DependencyNotInstalled(
        'serving needs FastAPI and uvicorn; run: pip install "wm-gym[serve]"'
    ) from error

from wm_gym.checkpoint import read_card, shipped_names
from wm_gym.checkpoint_manifest import CheckpointError
from wm_gym.serve.config import ServeConfig
from wm_gym.serve.service import Service
from wm_gym.world_model import WorldModel

KEEP_ALIVE_SECONDS = 60
CLOSE_SECONDS = 5  # for requests that are being answered when the server stops

Say = Callable[[str], None]


class Server:
    """Serves a checkpoint until it is stopped.

    Attributes:
        address: of the API, "http://...".

    Args:
        checkpoint: a shipped name, a world that a shipped one has, or a folder.
        config: how to listen.
        say: told the address once it answers.

    Raises:
        ValueError: the checkpoint cannot be loaded, the device is not there, or a state does not fit the memory.
        OSError: the port is taken, or the host is none of this machine's.
    """

    def __init__(self, checkpoint: str, config: ServeConfig, say: Say) -> None:
        self._socket = _bind(config.host, config.port)
        try:
            port = self._socket.getsockname()[1]
            shown = f"[{config.host}]" if ":" in config.host else config.host
            self.address = f"http://{shown}:{port}"
            service = Service(WorldModel.from_pretrained(_checkpoint_of(checkpoint), config.device), config)
        except BaseException:
            self._socket.close()
            raise
        app = create_app(service, lambda: say(self.address))
        self._server = _Server(
            uvicorn.Config(
                Porter(app, config),
                http=Protocol,
                ws="none",
                lifespan="on",
                log_level="warning",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=CLOSE_SECONDS,
            ),
            service.dispatcher.close,
        )

    def run(self) -> None:
        """Serve until `stop`, Ctrl-C or SIGTERM; a signal is raised again once everything is closed."""
        with self._socket:
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Ask the server to stop, from any thread."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn's, which first tells that it stops."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)


def _bind(host: str, port: int) -> socket.socket:
    """A socket that listens: who comes early waits until the model is there.

    Raises:
        OSError: the port is taken, or the host is none of this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        rule = f"host and port must be free and this machine's, got {host} and {port} ({error.strerror})"
        raise OSError(f"{rule}; --port 0 takes any that is free") from error
    return listener


def _checkpoint_of(name: str) -> str:
    """The checkpoint of a name or a folder, or the first shipped one that has a world of that name."""
    try:
        read_card(name)
    except CheckpointError:
        for shipped in shipped_names():
            if name in read_card(shipped).worlds:
                return shipped
    return name
