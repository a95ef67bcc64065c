"""The queue in front of the model: what waits while it thinks is answered by its next call, together."""

import asyncio
import logging
import math
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from wm_gym.serve.job import Job
from wm_gym.serve.messages import Result
from wm_gym.serve.problem import Problem
from wm_gym.serve.simulator import Outcome

MAX_FINISHED = 16384  # tasks whose status is still told

_log = logging.getLogger(__name__)

Simulate = Callable[[Sequence[Job]], Sequence[Outcome]]
Deliver = Callable[[Job, Outcome], Result]


class Task:
    """A job on its way.

    Attributes:
        task_id: its name.
        video_id: the video that it belongs to.
        status: where it stands.
        job: what is to be done; None once it is over.
        result: what came of it.
        problem: why it failed.
        over: set once it is completed or failed.
    """

    def __init__(self, job: Job) -> None:
        self.task_id = secrets.token_hex(16)
        self.video_id = job.video_id
        self.status: Literal["queued", "processing", "completed", "failed"] = "queued"
        self.job: Job | None = job
        self.result: Result | None = None
        self.problem: Problem | None = None
        self.over = asyncio.Event()

    def complete(self, result: Result) -> None:
        """It is done."""
        self.result = result
        self.status, self.job = "completed", None
        self.over.set()

    def fail(self, problem: Problem) -> None:
        """It will not be done."""
        self.problem = problem
        self.status, self.job = "failed", None
        self.over.set()


class Dispatcher:
    """Takes tasks and has them done. It lives in the event loop; the model in a thread of its own.

    Attributes:
        num_finished: tasks completed or failed so far.
        num_calls: of the model so far.

    Args:
        simulate: does jobs with equal `denoising_steps`, in the model's thread.
        deliver: makes what is told of a job that is done.
        discard: told of a job that was done in vain, since its task failed meanwhile.
        max_queue: tasks that may wait.
        max_batch: tasks of one call.
        max_wait: seconds that a task may wait.
    """

    def __init__(
        self,
        simulate: Simulate,
        deliver: Deliver,
        discard: Callable[[Job], None],
        *,
        max_queue: int,
        max_batch: int,
        max_wait: float,
    ) -> None:
        self.num_finished = 0
        self.num_calls = 0
        self._simulate = simulate
        self._deliver = deliver
        self._discard = discard
        self._max_queue = max_queue
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._queue: deque[Task] = deque()
        self._running: list[Task] = []
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._something = asyncio.Event()
        self._pace = 0.0  # seconds a task, lately
        self._closed = False

    @property
    def num_queued(self) -> int:
        """Tasks that wait."""
        return len(self._queue)

    @property
    def num_running(self) -> int:
        """Tasks that the model thinks about."""
        return len(self._running)

    def submit(self, job: Job) -> Task:
        """Let a job wait for the model.

        Raises:
            Problem: 503, the queue is full, or the server stops.
        """
        if self._closed:
            raise _stopping()
        if len(self._queue) >= self._max_queue:
            raise self._busy(f"the queue must have room, got {self._max_queue} requests that wait; try again later")
        task = Task(job)
        self._tasks[task.task_id] = task
        self._queue.append(task)
        self._something.set()
        asyncio.get_running_loop().call_later(self._max_wait, self._expire, task)
        self._forget()
        return task

    def task(self, task_id: str) -> Task:
        """A task by its name.

        Raises:
            Problem: 404, there is none.
        """
        if task_id not in self._tasks:
            rule = f"task_id must be one that this server gave, one of its last {MAX_FINISHED} tasks"
            raise Problem(404, "unknown", f"{rule}, got {ascii(task_id)}")
        return self._tasks[task_id]

    def cancel(self, video_id: str | None = None) -> int:
        """Fail the tasks of a video, or all; how many had not begun. Those that run are not delivered."""
        problem = Problem(410, "deleted", "the video must be kept until its tasks are done, got it deleted")
        return self._cancel(video_id, problem)

    def close(self) -> None:
        """Fail what waits or runs, and take no more, so that nobody waits for a server that stops."""
        self._closed = True
        self._cancel(None, _stopping())

    async def run(self) -> None:
        """Have tasks done until cancelled; what the model thinks about then is not waited for."""
        thinker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="wm-gym-serve")
        try:
            while True:
                if self._queue:
                    self._running = self._take()
                    await self._do(thinker, self._running)
                    self._running = []
                else:
                    self._something.clear()
                    await self._something.wait()
        finally:
            thinker.shutdown(wait=False)

    async def _do(self, thinker: ThreadPoolExecutor, tasks: Sequence[Task]) -> None:
        """Have the model answer tasks that have just been taken."""
        jobs = [task.job for task in tasks if task.job is not None]
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            outcomes = await loop.run_in_executor(thinker, self._simulate, jobs)
        except Exception as error:  # out of memory, a full disk, a bug: these tasks fail, the server goes on
            _log.exception("the model failed")
            for task in tasks:
                self._fail(task, _failed("the model must answer", error))
            return
        self.num_calls += 1
        self._pace = (loop.time() - begun) / len(jobs)
        for task, job, outcome in zip(tasks, jobs, outcomes, strict=True):
            self._finish(task, job, outcome)

    def _finish(self, task: Task, job: Job, outcome: Outcome) -> None:
        """Deliver what came of a task; it fails alone where that cannot be."""
        try:
            if task.over.is_set():
                self._discard(job)
            else:
                task.complete(self._deliver(job, outcome))
                self.num_finished += 1
        except Exception as error:
            _log.exception("a round was lost")
            self._fail(task, _failed("what the model answers must be kept", error))

    def _cancel(self, video_id: str | None, problem: Problem) -> int:
        chosen = [task for task in (*self._queue, *self._running) if video_id in (None, task.video_id)]
        num_queued = sum(task.status == "queued" for task in chosen)
        for task in chosen:
            self._fail(task, problem)
        return num_queued

    def _take(self) -> list[Task]:
        """The first task, and those behind it that one call can do with it."""
        steps = [task.job.denoising_steps for task in self._queue if task.job is not None]
        alike = [task for task, count in zip(self._queue, steps, strict=True) if count == steps[0]]
        taken = alike[: self._max_batch]
        chosen = set(taken)
        self._queue = deque(task for task in self._queue if task not in chosen)
        for task in taken:
            task.status = "processing"
        return taken

    def _expire(self, task: Task) -> None:
        """A task has waited long enough."""
        if task.status == "queued":
            rule = f"a request may wait {self._max_wait:g} s for the model, got more that came before it"
            self._fail(task, self._busy(f"{rule}; try again later"))

    def _fail(self, task: Task, problem: Problem) -> None:
        if task.status == "queued":
            self._queue.remove(task)
        if not task.over.is_set():
            task.fail(problem)
            self.num_finished += 1

    def _busy(self, detail: str) -> Problem:
        return Problem(503, "busy", detail, retry_after=max(1, math.ceil(self._pace * len(self._queue))))

    def _forget(self) -> None:
        """Forget the oldest tasks, those that are over."""
        while len(self._tasks) > MAX_FINISHED and next(iter(self._tasks.values())).over.is_set():
            self._tasks.popitem(last=False)


def _failed(rule: str, error: Exception) -> Problem:
    return Problem(500, "failed", f"{rule}, got {type(error).__name__}: {error}")


def _stopping() -> Problem:
    return Problem(503, "stopping", "the server must go on until a task is done, got told to stop; start it again")
