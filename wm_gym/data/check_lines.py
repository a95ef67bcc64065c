"""The lines that `wm-gym data check` prints."""

from collections.abc import Mapping

from wm_gym.data.check import DatasetReport
from wm_gym.data.check_contents import MAX_DISTINCT, Contents
from wm_gym.data.manifest import Manifest

MAX_ROWS = 16  # of a histogram
_BAR = 24  # characters of a full bar


def lines_of(report: DatasetReport) -> list[str]:
    """What a dataset holds, then every problem."""
    lines = [str(report.folder)]
    if report.manifest is not None:
        lines += _facts(report.manifest, report.contents)
        lines += _histogram("actions", report.contents.actions_by_name(report.manifest))
        lines += _histogram("world events", dict(report.contents.world_events.most_common()))
        for name, counts in report.contents.facts.items():
            many = {f"more than {MAX_DISTINCT} different": report.contents.num_episodes}
            lines += _histogram(name, many if len(counts) > MAX_DISTINCT else dict(counts.most_common()), "episodes")
    lines += _notes(report)
    count = len(report.problems)
    lines.append(f"  {count} problem{'' if count == 1 else 's'}{':' if count else ''}")
    return lines + [f"    {problem}" for problem in report.problems]


def _facts(manifest: Manifest, contents: Contents) -> list[str]:
    height, width = manifest.frame_size
    lengths = sorted(contents.lengths) or [0]
    chunk = f", {manifest.chunk_frames} frames an observation" if manifest.chunk_frames > 1 else ""
    rows = {
        "world": f"{manifest.world} ({manifest.env_id or 'no env'}), policy {manifest.policy or 'unknown'}",
        "episodes": f"{contents.num_episodes:,}, {_size(contents.num_bytes)}",
        "steps": f"{contents.num_steps:,}, {lengths[0]} to {lengths[-1]} an episode, median {contents.median_length}",
        "frames": f"{height}x{width} pixels (height x width){chunk}",
        "ends": ", ".join(f"{name} {count:,}" for name, count in contents.ends.most_common()) or "none",
        "rewards": _rewards(contents),
    }
    if manifest.control_low:
        rows["numbers"] = f"{len(manifest.control_low)} an action, {manifest.control_low} to {manifest.control_high}"
    return [f"  {name:9} {value}" for name, value in rows.items()]


def _rewards(contents: Contents) -> str:
    if not contents.rewards:
        return "none"
    low, high = contents.return_range
    mean = contents.return_sum / contents.num_episodes
    total = f"{contents.num_rewarded:,} steps are not 0; an episode's sum is {low:g} to {high:g}, mean {mean:.4g}"
    if len(contents.rewards) > MAX_ROWS:
        least, most = contents.reward_range
        return f"{least:g} to {most:g}; {total}"
    values = ", ".join(f"{value:g} x {count:,}" for value, count in sorted(contents.rewards.items()))
    return f"{values}; {total}"


def _histogram(name: str, counts: Mapping[str, int], unit: str = "steps") -> list[str]:
    """One row a value, the most frequent first."""
    if not counts:
        return []
    total, largest = sum(counts.values()), max(counts.values())
    shown = list(counts.items())[:MAX_ROWS]
    wide = min(40, max(len(repr(value)) for value, _ in shown))
    lines = [f"  {name} ({unit})"]
    for value, count in shown:
        bar = "#" * max(1, round(_BAR * count / largest))
        lines.append(f"    {repr(value)[:wide]:{wide}} {count:>9,} {count / total:6.1%} {bar}")
    rest = sum(counts.values()) - sum(count for _, count in shown)
    return lines + ([f"    and {len(counts) - len(shown)} more: {rest:,} {unit}"] if rest else [])


def _notes(report: DatasetReport) -> list[str]:
    """What is no fault but worth knowing."""
    notes = []
    if report.num_repeated:
        notes.append(f"  note: {report.num_repeated} episodes equal an earlier one")
    if report.contents.num_static:
        notes.append(f"  note: no pixel ever changes in {report.contents.num_static} episodes")
    return notes


def _size(num_bytes: int) -> str:
    size, unit = float(num_bytes), "bytes"
    for unit in ("bytes", "KB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.3g} {unit}"
