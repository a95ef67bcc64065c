"""A cache grows to its size where memory is there, and stops where the machine or its container runs short."""

from pathlib import Path
from types import SimpleNamespace

import psutil  # type: ignore[import-untyped]
import pytest

from tests.data.episodes import make_episode, write_dataset
from wm_gym.data import cache_limit
from wm_gym.data.cache_limit import STEP, CacheLimit, spare_memory
from wm_gym.data.segments import SegmentSampler

GB = 10**9


def machine(monkeypatch: pytest.MonkeyPatch, total: int, available: int, group: Path | None = None) -> None:
    """A machine with so much memory, in which no container limits it unless a group's folder is given."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=total, available=available))
    monkeypatch.setattr(cache_limit, "_GROUP", group or Path("/none"))


def grow(limit: CacheLimit, to: int) -> int:
    """The limit after a cache grew as far as it may."""
    held = 0
    while held < to:
        held += 10**6
        if limit(held) < held:
            break
    return limit(held)


def test_with_memory_to_spare_the_size_is_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 64 * GB, 60 * GB)
    assert grow(CacheLimit(3 * STEP + 7), GB) == 3 * STEP + 7


def test_a_short_machine_stops_the_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = CacheLimit(9 * GB)
    machine(monkeypatch, 16 * GB, 8 * GB)
    assert limit(2 * STEP) == 2 * STEP
    machine(monkeypatch, 16 * GB, 3 * GB)  # the reserve is 3.2 GB
    assert grow(limit, GB) == 2 * STEP
    machine(monkeypatch, 16 * GB, 8 * GB)  # another process ended
    assert limit(2 * STEP + 1) == 3 * STEP


def test_two_processes_leave_the_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    total, others = 16 * GB, 2 * GB
    held = [0, 0]
    limits = [CacheLimit(9 * GB), CacheLimit(9 * GB)]
    for _ in range(2 * 9 * GB // (32 * 10**6)):
        for number, limit in enumerate(limits):
            machine(monkeypatch, total, total - others - sum(held))
            held[number] = min(held[number] + 32 * 10**6, limit(held[number] + 32 * 10**6))
    assert total - others - sum(held) == pytest.approx(0.2 * total, abs=3 * STEP)
    assert min(held) > 5 * GB


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_has_its_own_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: int) -> None:
    folder, limit, used, stat = (
        (tmp_path / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        if version == 1
        else (tmp_path, "memory.max", "memory.current", "inactive_file")
    )
    folder.mkdir(exist_ok=True)
    (folder / limit).write_text(f"{10 * GB}\n")
    (folder / used).write_text(f"{6 * GB}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{stat} {GB}\n")
    machine(monkeypatch, 64 * GB, 60 * GB, group=tmp_path)
    assert spare_memory() == 3 * GB
    (folder / limit).write_text("max\n" if version == 2 else f"{2**63 - 4096}\n")
    assert spare_memory() == pytest.approx(60 * GB - 0.2 * 64 * GB)


def test_a_sampler_without_memory_keeps_one_episode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, *(make_episode(number, 4) for number in range(4)))
    machine(monkeypatch, 16 * GB, GB)
    sampler = SegmentSampler(dataset, num_rounds=1, batch_size=16)
    sampler.sample(0)
    assert len(sampler._cache) == 1
