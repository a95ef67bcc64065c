"""How large a cache of decoded episodes may grow: to a fixed size, and only while the machine has memory to spare.

Memory is asked for as the cache grows and not once at the start, so that trainings that begin together share what there
is. What a cache has, it keeps: freed pages would seldom find their way back to the system.
"""

from pathlib import Path

STEP = 64 * 10**6  # bytes a cache grows by between two looks at the memory
RESERVE = 0.2  # share of the memory that caches leave to everything else
_GROUP = Path("/sys/fs/cgroup")  # a container's limits, of either version of control groups


class CacheLimit:
    """The limit of one cache, in bytes; called whenever it has grown."""

    def __init__(self, most: int) -> None:
        """Lets the cache grow to `most` bytes where memory allows."""
        self._most = most
        self._granted = 0

    def __call__(self, num_bytes: int) -> int:
        """Returns how many bytes a cache that holds `num_bytes` may hold, at most `most`."""
        while self._granted < min(num_bytes, self._most):
            spare = spare_memory()
            if spare is not None and spare < STEP:
                break
            self._granted += STEP
        return min(self._granted, self._most)


def spare_memory() -> int | None:
    """The memory in bytes that is left above the reserve, of the machine or of the container, whichever is less.

    Returns:
        Below 0 where the reserve is in use; None where `psutil` is not installed.
    """
    try:
        import psutil  # type: ignore[import-untyped]
    except ImportError:
        return None
    machine = psutil.virtual_memory()
    spares = [machine.available - RESERVE * machine.total]
    limit, used = _group_memory()
    if limit is not None and limit < machine.total:
        spares.append((1 - RESERVE) * limit - used)
    return int(min(spares))


def _group_memory() -> tuple[int | None, int]:
    """The container's limit in bytes, None without one, and what it uses, without cached files that it can drop."""
    for folder, limit, used, droppable in (
        (_GROUP, "memory.max", "memory.current", "inactive_file"),
        (_GROUP / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most = (folder / limit).read_text().strip()
            counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            dropped = int(counts.get(droppable, 0))
            return (None if most == "max" else int(most)), int((folder / used).read_text()) - dropped
        except OSError:
            continue
    return None, 0
