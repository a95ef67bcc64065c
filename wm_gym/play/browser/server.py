"""The server: serves the page, lets players in, keeps the sessions of lost pages, ends those that nobody plays."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gymnasium as gym
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from wm_gym.play.browser.config import BrowserConfig
from wm_gym.play.browser.feed import Feed
from wm_gym.play.browser.gate import Gate, page_address
from wm_gym.play.browser.messages import MAX_TEXT, Hello, Leave, Picture, Seen, encode_welcome, parse, parse_hello
from wm_gym.play.browser.player import Player
from wm_gym.play.browser.refusal import BROKEN, FORBIDDEN, FULL, IDLE, LEFT, MALFORMED, REPLACED, Refusal, shorten
from wm_gym.play.browser.sessions import Sessions
from wm_gym.play.config import PlayConfig
from wm_gym.play.session import Session
from wm_gym.training.interruption import Interruption

OPEN_SECONDS = CLOSE_SECONDS = 2.0  # for handshakes: browsers open connections ahead, and `run` waits for all of them
HELLO_SECONDS = 10.0  # that a connection has to say who it is
MAX_STRANGERS = 32  # connections that did not say it yet
SWEEP_SECONDS = 0.2  # between looks at who is gone

Say = Callable[[str], None]


def play_in_browser(config: PlayConfig, browser: BrowserConfig, say: Say) -> tuple[str, ...]:
    """Serve pages until Ctrl-C or SIGTERM; recordings are saved however it ends.

    Args:
        config: what to play.
        browser: how to listen.
        say: told the page's address, and what the owner of the server should know.

    Returns:
        What was written, a line each.

    Raises:
        ValueError: the world, the policy, the image or an option is bad.
        OSError: the port is taken, or a recording cannot be written.
        gymnasium.error.Error: the twin that the view asks for is missing.
    """
    with Interruption() as interruption:
        sessions = Sessions(config, browser.max_players)
        try:
            asyncio.run(Server(sessions, browser, say).run(lambda: interruption.requested))
        finally:
            sessions.close()
    return sessions.files


class Server:
    """Serves the players of one model. All thinking is done by one thread, one request after the other.

    Attributes:
        players: by name.
        address: of the page, once it is served.

    Args:
        sessions: makes what they play.
        config: how to listen.
        say: told the page's address, and what the owner should know.
    """

    def __init__(self, sessions: Sessions, config: BrowserConfig, say: Say) -> None:
        self.players: dict[str, Player] = {}
        self.address = ""
        self._sessions = sessions
        self._config = config
        self._say = say
        self._gate = Gate(config)
        self._thinker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="wm-gym-play")
        self._sockets: dict[Player, ServerConnection] = {}
        self._spare: Session | None = None
        self._endings: set[asyncio.Task[None]] = set()
        self._num_strangers = 0

    async def run(self, stopped: Callable[[], bool]) -> None:
        """Serve until `stopped`, which is asked now and then.

        Raises:
            OSError: the port is taken.
            ValueError: the options make no session.
        """
        self._entrance = asyncio.Lock()
        height, width = self._sessions.frame_size
        try:
            self._spare = await self._think(self._sessions.make)  # what is wrong shall be told before anybody comes
            async with serve(
                self._meet,
                self._config.host,
                self._config.port,
                process_request=self._gate.answer,
                compression=None,  # time matters more than bytes
                max_size=max(MAX_TEXT * 4, 3 * height * width),  # bytes
                max_queue=4,
                open_timeout=OPEN_SECONDS,
                close_timeout=CLOSE_SECONDS,
                logger=_quiet_logger(),
            ) as server:
                port = next(iter(server.sockets)).getsockname()[1]
                self.address = page_address(self._config.host, port, self._config.token)
                self._say(self.address)
                while not stopped():
                    await asyncio.sleep(SWEEP_SECONDS)
                    self._sweep()
        finally:
            await self._close()

    async def _meet(self, socket: ServerConnection) -> None:
        """Play with one page until it goes."""
        feed = Feed()
        try:
            player = await self._greet(socket, feed)
        except Refusal as refusal:
            await socket.close(refusal.code, shorten(str(refusal)))
            return
        except ConnectionClosed:
            return
        sender = asyncio.create_task(self._tell(player, feed, socket))
        try:
            async for data in socket:
                self._hear(player, feed, data)
        except ConnectionClosed:
            pass  # lost: it may come back
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            player.detach(feed)

    async def _tell(self, player: Player, feed: Feed, socket: ServerConnection) -> None:
        """Send a page what it must know to play, and then what there is to see."""
        await socket.send(encode_welcome({**self._sessions.facts, "session": player.name}))
        await feed.run(socket.send)

    async def _greet(self, socket: ServerConnection, feed: Feed) -> Player:
        """Hear who a page is, and give it its player.

        Raises:
            Refusal: it may not play.
            ConnectionClosed: it is gone.
        """
        self._num_strangers += 1
        try:
            if self._num_strangers > MAX_STRANGERS:
                raise Refusal(FULL, "too many pages come at once: try again")
            async with asyncio.timeout(HELLO_SECONDS):
                hello = parse_hello(await socket.recv())
            player, message = await self._admit(hello)
        except TimeoutError as error:
            raise Refusal(MALFORMED, "the first message must be a hello, got none") from error
        except ValueError as error:
            raise Refusal(MALFORMED, str(error)) from error
        finally:
            self._num_strangers -= 1
        self._attach(player, socket, feed, message)
        return player

    async def _admit(self, hello: Hello) -> tuple[Player, str]:
        """The player that a page gets back, or a new one, and what to tell it.

        Raises:
            Refusal: the token is wrong, or there is no room.
        """
        if not self._gate.admits(hello.token):
            raise Refusal(FORBIDDEN, "the token must be the server's: open the whole address that wm-gym printed")
        if hello.resume in self.players:
            return self.players[hello.resume], "here you are again"
        async with self._entrance:
            self._make_room()
            try:
                player = await self._make_player()
            except (ValueError, OSError, ImportError, gym.error.Error) as error:
                raise Refusal(BROKEN, f"no session could be made: {error}") from error
            self.players[player.name] = player
        return player, "the session of this page has ended: this is a new one" if hello.resume else ""

    async def _make_player(self) -> Player:
        """A player with a session of its own.

        Raises:
            ValueError: the options make none.
            OSError: the image cannot be read, or a film cannot be written.
            gymnasium.error.Error: the twin is missing.
        """
        if self._spare is None:
            self._spare = await self._think(self._sessions.make)
        scene = await self._think(self._spare.scene)
        camera = await self._think(self._sessions.make_camera)
        session, self._spare = self._spare, None
        player = Player(session, scene, self._think, script=self._sessions.script, camera=camera)
        await player.film()
        return player

    def _make_room(self) -> None:
        """See that one more may play; who was lost longest goes first.

        Raises:
            Refusal: there is no room.
        """
        if len(self.players) < self._config.max_players:
            return
        lost = [player for player in self.players.values() if player.feed is None]
        if not lost:
            raise Refusal(FULL, f"{len(self.players)} play here already: come back when one has left")
        self._end(min(lost, key=lambda player: player.lost_at), LEFT, "")

    def _attach(self, player: Player, socket: ServerConnection, feed: Feed, message: str) -> None:
        """Give a player its page; one that it had before must go."""
        before = self._sockets.pop(player, None)
        if before is not None:
            self._spawn(before.close(REPLACED, "another page plays this session now"))
        self._sockets[player] = socket
        player.attach(feed, message)

    def _hear(self, player: Player, feed: Feed, data: str | bytes) -> None:
        """Do what a page says, or tell it why not."""
        try:
            message = parse(data, self._sessions.frame_size)
            if isinstance(message, Seen):
                feed.seen(message.number)
            elif player.feed is not feed or player.name not in self.players:
                return  # another page took its place, or the session is over
            elif isinstance(message, Leave):
                self._end(player, LEFT, "you have left")
            elif isinstance(message, Picture):
                player.start(message.frame)
            else:
                player.ask(message)
        except ValueError as error:
            feed.tell(str(error))

    def _sweep(self) -> None:
        """End what is broken, lost for too long, or left alone."""
        now = asyncio.get_running_loop().time()
        for player in list(self.players.values()):
            if player.broken:
                self._say(f"a session broke: {player.broken}")
                self._end(player, BROKEN, f"the session broke: {player.broken}")
            elif player.feed is None and now - player.lost_at > self._config.resume_seconds:
                self._end(player, LEFT, "")
            elif now - player.last_heard > self._config.idle_seconds:
                self._end(player, IDLE, "nobody played for a long time, so the session was saved and ended")

    def _end(self, player: Player, code: int, reason: str) -> None:
        """End a player's session; its recording is saved in the background."""
        self.players.pop(player.name, None)
        socket = self._sockets.pop(player, None)
        if socket is not None:
            self._spawn(socket.close(code, shorten(reason)))
        self._spawn(self._save(player))

    async def _save(self, player: Player) -> None:
        try:
            await player.close()
        except Exception as error:  # the disk is full, say: nobody waits for this but the owner
            self._say(f"a session could not be saved: {error}")

    async def _close(self) -> None:
        """End all sessions."""
        for player in list(self.players.values()):
            self._end(player, LEFT, "the server has closed")
        await asyncio.gather(*self._endings)
        if self._spare is not None:
            await self._think(self._spare.close)
        self._thinker.shutdown()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something run beside; `run` waits for it in the end."""
        task = asyncio.create_task(work)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    async def _think(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function where the model is; who asks first is served first."""
        return await asyncio.get_running_loop().run_in_executor(self._thinker, function, *arguments)


def _quiet_logger() -> logging.Logger:
    """Where the library logs strangers' broken handshakes: nowhere, unless an application asks for it."""
    logger = logging.getLogger(__name__)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
