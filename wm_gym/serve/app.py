"""The API: routes, what they take and what they answer."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Form, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from wm_gym.serve.dispatcher import Task
from wm_gym.serve.messages import (
    AllDeleted,
    Continue,
    FirstRound,
    ProblemBody,
    Result,
    Stats,
    TaskStatus,
    VideoDeleted,
)
from wm_gym.serve.pictures import gif, png, read_picture
from wm_gym.serve.problem import Problem, malformed
from wm_gym.serve.segments import frames_of
from wm_gym.serve.service import Service

MAX_LISTEN = 60.0  # seconds that an answer may be held back
MAX_DECODING = 2  # uploaded pictures decoded at a time: each may take 64 MiB

Wait = Annotated[float, Query(ge=0, le=MAX_LISTEN, description="seconds to wait for the task to be over")]
Frames = Annotated[bool, Query(description="send the frames too, as PNGs in base64")]

DESCRIPTION = """Worlds that a tree search imagines, in the state-id contract of PAN's published client.

A state never changes: continue from the same `state_id` as often as you like. `first_round` and `continue` answer with
a `task_id` at once, and with `?wait=30` with the whole task once it is over. States are kept within limits: those not
used for longest are evicted, and then answer 410. Every error is `{"detail": sentence, "reason": word}`.

PAN's client opens `segment_path` as a local file. It works unchanged with a server on its own machine that was started
with `--segments FOLDER`, and with prompts of at most 256 printable ASCII characters; other prompts answer 422. Without
the folder, `segment_path` is a path of this server. Where there is a token, `http://any:TOKEN@host:8000` brings it."""

ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ProblemBody, "description": "The request cannot be answered."},
    500: {"model": ProblemBody, "description": "The server failed; it goes on."},
    503: {"model": ProblemBody, "description": "Busy; `Retry-After` tells when to come back."},
}


def create_app(service: Service, on_start: Callable[[], None]) -> FastAPI:
    """The API of a service.

    Args:
        service: behind it.
        on_start: called once it answers.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(service.dispatcher.run())
        on_start()
        yield
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    app = FastAPI(
        title="wm-gym serve",
        version=version("wm-gym"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        responses=ERRORS,
    )
    app.include_router(_Routes(service).router)
    app.add_exception_handler(Problem, _tell_problem)
    app.add_exception_handler(RequestValidationError, _tell_malformed)
    app.add_exception_handler(HTTPException, _tell_other)
    app.add_exception_handler(Exception, _tell_failure)
    return app


class _Routes:
    """What is done at each route."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._decoding = asyncio.Semaphore(MAX_DECODING)
        self.router = APIRouter()
        picture: dict[str, Any] = {"response_class": Response}
        for method, path, endpoint, tag, options in (
            ("POST", "/generate/first_round", self.first_round, "generate", {}),
            ("POST", "/generate/continue", self.proceed, "generate", {}),
            ("GET", "/task/status/{task_id}", self.task, "generate", {}),
            ("GET", "/states/{state_id}", self.state, "states", {}),
            ("GET", "/states/{state_id}/frames/{index}.png", self.frame, "states", picture),
            ("GET", "/segments/{state_id}.gif", self.segment, "states", picture),
            ("DELETE", "/states/all", self.delete_all, "states", {}),
            ("DELETE", "/states/video/{video_id}", self.delete_video, "states", {}),
            ("GET", "/stats/summary", self.stats, "stats", {}),
        ):
            name = endpoint.__name__
            self.router.add_api_route(
                path, endpoint, methods=[method], tags=[tag], name=name, operation_id=name, **options
            )

    async def first_round(
        self,
        form: Annotated[FirstRound, Form(media_type="multipart/form-data")],
        wait: Wait = 0,
        frames: Frames = False,
    ) -> TaskStatus:
        """Begin a new video: a start, and the first text said to it."""
        frame = None
        if form.image is not None:
            data = await form.image.read()
            async with self._decoding:
                frame = await asyncio.to_thread(read_picture, data, self._service.frame_size)
        return await self._answer(self._service.first_round(form, frame), wait, frames)

    async def proceed(self, body: Continue, wait: Wait = 0, frames: Frames = False) -> TaskStatus:
        """Imagine one more round from any state; that state stays as it is."""
        return await self._answer(self._service.proceed(body), wait, frames)

    async def task(self, task_id: str, wait: Wait = 0, frames: Frames = False) -> TaskStatus:
        """Tell where a task stands; a failed one says why in `error_message`."""
        task = self._service.dispatcher.task(task_id)
        await _listen(task, wait)
        return await self._status(task, frames)

    async def state(self, state_id: str, frames: Frames = False) -> Result:
        """Tell of a state."""
        result = self._service.result(self._service.store.get(state_id))
        return await self._with_frames(result) if frames else result

    async def frame(self, state_id: str, index: int) -> Response:
        """A frame of a state's last round, exact."""
        chunk = frames_of(self._service.store.get(state_id).state)
        if not 0 <= index < len(chunk):
            raise Problem(404, "unknown", f"index must be from 0 to {len(chunk) - 1}, got {index}")
        return Response(await asyncio.to_thread(png, chunk[index]), media_type="image/png")

    async def segment(self, state_id: str) -> Response:
        """The frames of a state's last round as a GIF."""
        stored = self._service.store.get(state_id)
        pace = self._service.frames_per_second(stored.world)
        return Response(await asyncio.to_thread(gif, frames_of(stored.state), pace), media_type="image/gif")

    async def delete_video(self, video_id: str) -> VideoDeleted:
        """Delete the states of a video, and its tasks."""
        return self._service.delete_video(video_id)

    async def delete_all(self) -> AllDeleted:
        """Delete every state, whoever asked for it, and call off every task that waits."""
        return self._service.delete_all()

    async def stats(self) -> Stats:
        """Tell how the server does."""
        return self._service.stats()

    async def _answer(self, task: Task, wait: float, frames: bool) -> TaskStatus:
        """What a request is told that waits for its task.

        Raises:
            Problem: the task failed meanwhile.
        """
        await _listen(task, wait)
        if task.problem is not None:
            raise task.problem
        return await self._status(task, frames)

    async def _status(self, task: Task, frames: bool) -> TaskStatus:
        error = None if task.problem is None else str(task.problem)
        result = task.result
        if frames and result is not None:
            result = await self._with_frames(result)
        return TaskStatus(task_id=task.task_id, status=task.status, result=result, error_message=error)

    async def _with_frames(self, result: Result) -> Result:
        """The same with its frames.

        Raises:
            Problem: 410, the state is gone.
        """
        chunk = frames_of(self._service.store.get(result.new_state_id).state)
        pictures = await asyncio.to_thread(lambda: [base64.b64encode(png(frame)).decode() for frame in chunk])
        return result.model_copy(update={"frames": pictures})


async def _listen(task: Task, seconds: float) -> None:
    """Wait until a task is over, or the time is."""
    if seconds:
        with suppress(TimeoutError):
            await asyncio.wait_for(task.over.wait(), seconds)


async def _tell_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return problem.response()


async def _tell_malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return malformed(list(error.errors())).response()


async def _tell_other(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: a route that is not there, a body that is neither JSON nor a form."""
    assert isinstance(error, HTTPException)
    reasons = {404: "unknown", 405: "unknown"}
    routes = f"{request.method} {request.url.path} must be a route of /docs, got: "
    detail = f"{routes if error.status_code in reasons else 'the body must be what /docs says, got: '}{error.detail}"
    problem = Problem(error.status_code, reasons.get(error.status_code, "malformed"), detail)
    return problem.response(error.headers)


async def _tell_failure(request: Request, error: Exception) -> Response:
    """A bug, or a machine that fails; the framework logs it."""
    detail = f"{request.method} {request.url.path} must be answered, got {type(error).__name__}; see the server's log"
    return Problem(500, "failed", detail).response()
