"""Clients that branch worlds over HTTP for some minutes: errors, latency and the server's memory.

The server is `wm-gym serve` in a process of its own; each client is a thread with its own connection that grows trees:
a new video now and then, else one more round from a random state of its own, and at times that state's frames. Few
states are kept, so that eviction is part of what is measured; a client that meets it goes on elsewhere. A busy
server is asked again; the wait is part of the latency, and the answers are counted. A server that is gone is the end.

    python -m benchmarks.serve --minutes 5
"""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmarks.report import write_report
from wm_gym.checkpoint import read_card
from wm_gym.evaluation.provenance import machine
from wm_gym.serve.client import Node, WorldClient
from wm_gym.serve.connection import ServeError

RESULTS = Path(__file__).parent / "results" / "serve.json"
SERVE = [sys.executable, "-c", "import sys; from wm_gym.cli import main; sys.exit(main())", "serve", "--port", "0"]
NEW_VIDEO, LOOK = 0.02, 0.1  # shares of what a client asks for
KNOWN_NODES = 64  # that a client chooses from
SAMPLE_SECONDS = 2.0  # between looks at the memory
KINDS = ("first_round", "continue", "frames")


@dataclass(frozen=True, kw_only=True)
class ServeBenchmarkConfig:
    """What to measure.

    Attributes:
        checkpoint: A shipped name or a checkpoint folder.
        device: Where the model runs, as torch names it.
        clients: Clients at a time.
        minutes: For how long.
        max_states: States that the server keeps; fewer than the clients choose from, so that some are evicted.
        max_megabytes: Memory that they may take.
        seed: Of what the clients choose.
        output: The JSON file.
    """

    checkpoint: str = "minigrid"
    device: str = "cpu"
    clients: int = 8
    minutes: float = 5.0
    max_states: int = 400
    max_megabytes: int = 256
    seed: int = 0
    output: Path = RESULTS


@dataclass
class Ledger:
    """What one client saw.

    Attributes:
        milliseconds: Of each answered request, by kind.
        evictions: Requests about a state that had been evicted.
        busy: Answers that the server is busy.
        errors: What should not have been.
    """

    milliseconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    evictions: int = 0
    busy: int = 0
    errors: Counter[str] = field(default_factory=Counter)


class Brancher:
    """A client that grows trees at random.

    Attributes:
        ledger: What it saw.
        lost: Why it could not go on.
    """

    def __init__(self, address: str, texts: list[str], seed: int) -> None:
        self.ledger = Ledger()
        self.lost: OSError | None = None
        self._address = address
        self._texts = texts
        self._rng = np.random.default_rng(seed)
        self._nodes: list[Node] = []

    def run(self, until: float, over: threading.Event) -> None:
        """Asks until a time of `time.monotonic`, or until it is over; sets that where the server is gone."""
        with WorldClient(self._address) as client:
            while time.monotonic() < until and not over.is_set():
                begun = time.perf_counter()
                try:
                    kind = self._ask(client)
                except ServeError as error:
                    self._meet(error)
                except ConnectionError as error:
                    self.lost = error
                    over.set()
                except Exception as error:
                    self.ledger.errors[repr(error)] += 1
                else:
                    self.ledger.milliseconds[kind].append(1000 * (time.perf_counter() - begun))
            self.ledger.busy = client.num_busy

    def _ask(self, client: WorldClient) -> str:
        if not self._nodes or self._rng.random() < NEW_VIDEO:
            self._keep(client.first_round(seed=int(self._rng.integers(2**31))))
            return "first_round"
        chosen = int(self._rng.integers(len(self._nodes)))
        node, self._last = self._nodes[chosen], chosen
        if self._rng.random() < LOOK:
            client.frames(node)
            return "frames"
        self._keep(client.proceed(node, str(self._rng.choice(self._texts))))
        return "continue"

    def _keep(self, node: Node) -> None:
        if not node.terminated:
            self._nodes.append(node)
        if len(self._nodes) > KNOWN_NODES:
            del self._nodes[int(self._rng.integers(len(self._nodes)))]

    def _meet(self, error: ServeError) -> None:
        """Eviction is how the server keeps within its limits; all else is an error."""
        if error.reason == "evicted":
            self.ledger.evictions += 1
            del self._nodes[self._last]
        else:
            self.ledger.errors[f"{error.status} {error.reason}: {error}"[:200]] += 1


@contextmanager
def serving(config: ServeBenchmarkConfig) -> Iterator[tuple[str, int]]:
    """Serves the checkpoint from a process of its own; yields address and process id."""
    limits = ["--max-states", str(config.max_states), "--max-megabytes", str(config.max_megabytes)]
    command = [*SERVE, *limits, "--device", config.device, config.checkpoint]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise RuntimeError("the server must say its address, got nothing; see above")
            yield address, process.pid
        finally:
            process.terminate()


def resident_megabytes(pid: int) -> float | None:
    """Returns the memory of a process in MiB; None where the system does not tell (it does on Linux)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def branch(branchers: Sequence[Brancher], seconds: float, pid: int) -> list[tuple[float, float | None]]:
    """Lets clients branch.

    Returns:
        Seconds since the beginning and the server's memory in MiB, now and then.

    Raises:
        RuntimeError: the server is gone.
    """
    begun, over = time.monotonic(), threading.Event()
    threads = [threading.Thread(target=brancher.run, args=(begun + seconds, over)) for brancher in branchers]
    for thread in threads:
        thread.start()
    samples = []
    for thread in threads:
        while thread.is_alive():
            samples.append((time.monotonic() - begun, resident_megabytes(pid)))
            thread.join(SAMPLE_SECONDS)
    lost = next((brancher.lost for brancher in branchers if brancher.lost is not None), None)
    if lost is not None:
        after = f"{time.monotonic() - begun:.0f} s of {seconds:.0f} s"
        raise RuntimeError(f"the server must answer until the end, got {lost!r} after {after}; see above") from lost
    return samples


def measure(config: ServeBenchmarkConfig) -> dict[str, Any]:
    """Lets the clients branch.

    Returns:
        The results as JSON values.
    """
    card = read_card(config.checkpoint)
    phrases = next(iter(card.worlds.values())).action_phrases.values()
    texts = [phrase for each in phrases for phrase in each]
    with serving(config) as (address, pid):
        branchers = [Brancher(address, texts, config.seed + number) for number in range(config.clients)]
        begun = time.monotonic()
        samples = branch(branchers, 60 * config.minutes, pid)
        seconds = time.monotonic() - begun
        with WorldClient(address) as client:
            stats = client.stats()
    ledgers = [brancher.ledger for brancher in branchers]
    errors = sum((ledger.errors for ledger in ledgers), Counter[str]())
    return {
        "checkpoint": config.checkpoint,
        "weights_hash": card.weights_hash,
        **machine(config.device),
        "config": {name: str(value) if name == "output" else value for name, value in asdict(config).items()},
        "seconds": seconds,
        "requests": {kind: _latency([ms for ledger in ledgers for ms in ledger.milliseconds[kind]]) for kind in KINDS},
        "rounds_per_second": sum(len(ledger.milliseconds["continue"]) for ledger in ledgers) / seconds,
        "rounds_per_model_call": stats["finished_tasks"] / max(1, stats["model_calls"]),
        "errors": sum(errors.values()),
        "error_kinds": dict(errors.most_common(10)),
        "busy_answers": sum(ledger.busy for ledger in ledgers),
        "evictions_met": sum(ledger.evictions for ledger in ledgers),
        "memory_by_minute": _by_minute(samples),
        "stats": stats,
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    lines = [
        f"{results['checkpoint']}, {results['config']['clients']} clients for {results['seconds']:.0f} s "
        f"on {results['device_name']}, {results['threads']} threads",
        f"{'request':14}{'answered':>9}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}",
    ]
    for kind, row in results["requests"].items():
        if row["answered"]:
            numbers = "".join(f"{row[name]:9.1f}" for name in ("p50_ms", "p95_ms", "max_ms"))
            lines.append(f"{kind:14}{row['answered']:9}{numbers}")
    memory = ", ".join(
        "?" if each["max_mib"] is None else f"{each['max_mib']:.0f}" for each in results["memory_by_minute"]
    )
    return "\n".join(
        [
            *lines,
            f"{results['rounds_per_second']:.1f} rounds/s, {results['rounds_per_model_call']:.2f} a model call",
            f"{results['errors']} errors {results['error_kinds'] or ''}, {results['busy_answers']} busy answers, "
            f"{results['evictions_met']} evictions met, {results['stats']['evicted_states']} states evicted",
            f"server's memory by minute, MiB: {memory}",
        ]
    )


def main(config: ServeBenchmarkConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


def _latency(milliseconds: list[float]) -> dict[str, Any]:
    """Returns count and quantiles."""
    if not milliseconds:
        return {"answered": 0}
    p50, p95 = np.percentile(milliseconds, (50, 95))
    return {
        "answered": len(milliseconds),
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "max_ms": max(milliseconds),
    }


def _by_minute(samples: list[tuple[float, float | None]]) -> list[dict[str, Any]]:
    """Returns the largest and the last memory of each minute begun."""
    rows = []
    for minute in range(int(samples[-1][0] // 60) + 1):
        seen = [mib for second, mib in samples if second // 60 == minute and mib is not None]
        rows.append({"minute": minute, "max_mib": max(seen, default=None), "last_mib": seen[-1] if seen else None})
    return rows


if __name__ == "__main__":
    main(tyro.cli(ServeBenchmarkConfig, description=__doc__))
