"""The window: events in, requests to the worker, its scenes on the screen. It never waits for the model."""

import time
from collections.abc import Callable
from pathlib import Path

from wm_gym.play.camera import Camera
from wm_gym.play.film import new_film_path
from wm_gym.play.gamepad import Gamepads
from wm_gym.play.hands import Hands
from wm_gym.play.keyboard import REPEATING, Keyboard, WindowCommand
from wm_gym.play.overlay import Overlay
from wm_gym.play.pace import Pace
from wm_gym.play.picture import Painter
from wm_gym.play.request import Request
from wm_gym.play.scene import Scene
from wm_gym.play.session import Session
from wm_gym.play.text_line import TextLine
from wm_gym.play.window_config import WindowConfig
from wm_gym.play.worker import Worker
from wm_gym.screen import open_window, pygame

LONGEST_WAIT = 0.25  # seconds that the loop sleeps when nothing happens
LINE_REPEAT = (400, 40)  # ms that a key is held on the text line before it repeats, and between two


class Window:
    """Plays a session; nobody else may use it meanwhile.

    Args:
        session: the world.
        config: how.
        camera: a film that runs from the start.

    Raises:
        NoDisplayError: there is no display.
        ValueError: the key map names a key that is none.
    """

    def __init__(self, session: Session, config: WindowConfig, camera: Camera | None = None) -> None:
        self._config = config
        self._keyboard = Keyboard(config.key_map)
        self._painter = Painter()
        self._scene = session.scene()
        self._surface = open_window(f"wm-gym: {self._scene.world}", self._painter.natural_size(self._scene))
        pygame.joystick.init()
        self._pads = Gamepads(config.key_map, config.low, config.high)
        self._hands = Hands(config.step_seconds)
        self._line = TextLine()
        self._camera = camera
        self._runs, self._drives = config.runs or config.drives, config.drives
        self._hud, self._help, self._closed, self._dirty = True, False, False, True
        self._frame, self._next_frame = 0, 0.0
        self._pace = Pace()
        self._shown = Overlay()
        self._wake_type = pygame.event.custom_type()
        self._worker = Worker(session, self._wake)
        if camera is not None:
            camera.shoot(self._scene, self.overlay)

    def run(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Play until the window is closed.

        Args:
            stopped: asked now and then; True closes the window too.

        Raises:
            Exception: whatever broke the session.
        """
        while not (self._closed or stopped()):
            for event in self._events():
                self._handle(event)
            scenes = self._worker.take()
            for scene in scenes:
                self._show(scene)
            if self._worker.error is not None:
                raise self._worker.error
            self._push_due()
            self._draw()
            self._film(scenes)  # last: nobody shall wait for it

    def close(self) -> None:
        """Close the window at once, then wait for the step that runs; twice is fine."""
        pygame.display.quit()
        self._worker.close()
        if self._camera is not None:
            self._camera.close()

    @property
    def scene(self) -> Scene:
        """What is on the screen."""
        return self._scene

    @property
    def worker(self) -> Worker:
        """Who runs the session."""
        return self._worker

    @property
    def overlay(self) -> Overlay:
        """What the picture shows beside the scene."""
        mover = f"{self._config.pilot} drives" if self._drives else "time runs"
        return Overlay(
            mode=mover if self._runs else "waits for you",
            steps_per_second=self._pace.per_second(time.perf_counter()),
            thinking_seconds=int(self._worker.thinking_seconds),
            filming=self._camera is not None,
            hud=self._hud,
            help=tuple(self._keyboard.help) if self._help else (),
            line=self._line.text,
        )

    def _events(self) -> list[pygame.Event]:
        """What happened, after a sleep until something does or is due."""
        now = time.perf_counter()
        waits = [LONGEST_WAIT]
        if self._worker.idle and (left := self._hands.seconds_left(now, self._idle_request())) is not None:
            waits.append(left)
        if self._frame + 1 < self._scene.num_frames:
            waits.append(self._next_frame - now)
        event = pygame.event.wait(max(1, round(1000 * min(waits))))
        return [event, *pygame.event.get()] if event.type != pygame.NOEVENT else []

    def _handle(self, event: pygame.Event) -> None:
        if event.type == pygame.QUIT:
            self._closed = True
        elif event.type == pygame.KEYDOWN:
            self._press_key(event)
        elif event.type == pygame.KEYUP:
            self._hands.release(event.key)
        elif event.type in (pygame.WINDOWFOCUSLOST, pygame.JOYDEVICEREMOVED):
            self._hands.release_all()
            self._pads.rest()
        elif event.type == pygame.DROPFILE:
            self._worker.push(Request("start", event.file))
        elif event.type == pygame.JOYDEVICEADDED:
            self._pads.plug(event.device_index)
        elif event.type in (pygame.WINDOWRESIZED, pygame.WINDOWEXPOSED):
            self._dirty = True
        else:
            self._move_pad(event)

    def _press_key(self, event: pygame.Event) -> None:
        if self._line.text is not None:
            said = self._line.type(event.key, event.mod, event.unicode)
            self._dirty = True
            if self._line.text is None:
                pygame.key.set_repeat()
            if said is not None:
                self._worker.push(Request("act", said))
            return
        command = self._keyboard.find(event.key, event.mod, event.unicode)
        if isinstance(command, Request):
            self._press(event.key, command)
        elif command is not None:
            self._command(command)
        elif not self._keyboard.is_silent(event.key):
            name = pygame.key.name(event.key) or event.key
            self._say(f"the key {name!r} does nothing here: F1 shows those that do", failed=True)

    def _move_pad(self, event: pygame.Event) -> None:
        for thing, request in self._pads.pressed(event).items():
            if request is None:
                self._hands.release(thing)
            else:
                self._press(thing, request)
        if event.type == pygame.JOYAXISMOTION and self._config.low:
            held = self._pads.held(event)
            if held is None:
                self._hands.release("sticks")
            else:
                self._hands.hold("sticks", held)

    def _press(self, key: object, request: Request) -> None:
        self._worker.push(request)
        repeats = request.name in REPEATING
        self._hands.press(key, request, time.perf_counter(), repeats=repeats, running=self._idle_request() is not None)

    def _command(self, command: WindowCommand) -> None:
        self._dirty = True
        match command:
            case "help":
                self._help = not self._help
            case "hud":
                self._hud = not self._hud
            case "line":
                self._hands.release_all()
                self._line.open()
                pygame.key.set_repeat(*LINE_REPEAT)
            case "pause":
                self._runs = not self._runs
            case "pilot":
                self._switch_pilot()
            case "film":
                self._switch_film()
            case "full screen":
                self._switch_full_screen()
            case "leave":
                self._closed, self._help = not self._help, False

    def _switch_pilot(self) -> None:
        if not self._config.pilot:
            self._say("there is no policy: play with --policy", failed=True)
            return
        self._drives = not self._drives
        self._runs = self._drives or self._config.runs

    def _switch_film(self) -> None:
        """Begin a film in the working folder, or end the one that runs."""
        if self._camera is not None:
            self._end_film(self._camera)
            return
        try:
            self._camera = Camera(new_film_path(Path.cwd()), self._config.frames_per_second)
        except OSError as error:
            self._say(f"a film must have a file, got {error}", failed=True)
        else:
            self._film([self._scene])

    def _end_film(self, camera: Camera, error: OSError | None = None) -> None:
        """Finish the film and say where it is, or what cut it short."""
        self._camera = None
        try:
            camera.close()
        except OSError as another:
            error = error or another
        reason = "" if error is None else f" and ends here, got {error}"
        self._say(f"the film is {camera.film.path}{reason}", failed=error is not None)

    def _switch_full_screen(self) -> None:
        try:
            pygame.display.toggle_fullscreen()
        except pygame.error as error:
            self._say(f"full screen is not to be had here: {error}", failed=True)

    def _idle_request(self) -> Request | None:
        """What happens when nobody acts; None where the world waits, help or text line are open, or all is over."""
        if not self._runs or self._help or self._line.text is not None or self._scene.over:
            return None
        return Request("drive") if self._drives else Request("act", "")

    def _push_due(self) -> None:
        """Let what is held, or time, go on: only when the worker has nothing else, so that no backlog grows."""
        if self._worker.idle and (request := self._hands.due(time.perf_counter(), self._idle_request())):
            self._worker.push(request)

    def _show(self, scene: Scene) -> None:
        """Take a new scene: its frames follow at the world's pace."""
        now = time.perf_counter()
        if scene.step == self._scene.step + 1:
            self._pace.count(now)
        if scene.failed and self._drives:
            self._drives = self._runs = False  # time stands still, so that the reason can be read
        if self._surface.get_size() == self._painter.natural_size(self._scene):
            self._resize(self._painter.natural_size(scene))
        self._scene, self._frame, self._dirty = scene, 0, True
        self._next_frame = now + 1 / self._config.frames_per_second

    def _film(self, scenes: list[Scene]) -> None:
        """Film all frames of new scenes."""
        for scene in scenes:
            if self._camera is None:
                return
            try:
                self._camera.shoot(scene, self.overlay)
            except OSError as error:
                self._end_film(self._camera, error)

    def _resize(self, size: tuple[int, int]) -> None:
        """Give the twin room, where the player did not choose a size."""
        if size != self._surface.get_size():
            self._surface = pygame.display.set_mode(size, pygame.RESIZABLE)

    def _say(self, message: str, *, failed: bool = False) -> None:
        self._scene, self._dirty = self._scene.say(message, failed=failed), True

    def _draw(self) -> None:
        now = time.perf_counter()
        if self._frame + 1 < self._scene.num_frames and now >= self._next_frame:
            self._frame, self._dirty = self._frame + 1, True
            self._next_frame += 1 / self._config.frames_per_second
        overlay = self.overlay
        if overlay != self._shown or self._dirty:
            self._surface = pygame.display.get_surface() or self._surface
            self._painter.paint(self._surface, self._scene, self._frame, overlay)
            pygame.display.flip()
            self._dirty, self._shown = False, overlay

    def _wake(self) -> None:
        """Called by the worker's thread: a scene is there."""
        try:
            pygame.event.post(pygame.Event(self._wake_type))
        except pygame.error:  # the window has closed, or its queue is full and the loop awake
            return
