"""The numbers of a long evaluation as tables: of text for a terminal, and the same for the page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any]

_LABEL_WIDTH, _CELL_WIDTH = 40, 12
_NONE = "-"


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table.

    Attributes:
        title: What it is about.
        note: How to read it.
        header: Over the columns, that of the labels first.
        rows: A label and its cells.
    """

    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def render(self) -> str:
        """As text."""
        lines = [_line(self.header), *(_line(row) for row in self.rows)]
        return "\n".join([self.title, *lines])


def render_table(report: Json) -> str:
    """Returns all tables of a report, as `ReportStore` holds it, for a terminal."""
    blocks = [table.render() for table in (overview(report), *all_tables(report)) if table.rows]
    missing = [f"{world} was not measured: {why}" for world, why in report["missing"].items()]
    return "\n\n".join(blocks + missing)


def all_tables(report: Json) -> list[Table]:
    """The tables of every world in turn."""
    return [table for world, parts in report["worlds"].items() for table in world_tables(world, parts)]


def overview(report: Json) -> Table:
    """One column a world, the last reading of each."""
    worlds = report["worlds"]
    rows = [(label, [cell(parts) for parts in worlds.values()]) for label, cell in _OVERVIEW]
    return Table(
        title="worlds",
        note="The last reading of each world. Details and what they mean follow, world by world.",
        header=("", *worlds),
        rows=tuple((label, *cells) for label, cells in rows if any(cell != _NONE for cell in cells)),
    )


def world_tables(world: str, parts: Json) -> list[Table]:
    """The tables of one world."""
    makers = (("drift", _drift), ("drift", _rewards), ("actions", _actions), ("revisits", _revisits))
    found = [make(world, parts[name]) for name, make in makers if name in parts]
    if "physics" in parts:
        found.append(_physics(world, parts["physics"]))
    return found


def _drift(world: str, part: Json) -> Table:
    readings = part["readings"]
    rows = [
        ("valid states", "valid", "{:.1%}"),
        ("  of real frames", "real_valid", "{:.1%}"),
        ("whole state right", "exact", "{:.1%}"),
        ("feature distance to real", "feature_distance", "{:.3f}"),
        ("  of other real walks", "real_feature_distance", "{:.3f}"),
        ("sharpness / real", "sharpness", "{:.3f}"),
        ("motion / real", "motion", "{:.2f}"),
        ("smoothness / real, WR-Arena", "smoothness", "{:.2f}"),
        ("smoothness of what moves / real", "moving_smoothness", "{:.2f}"),
        ("simulation consistency", "consistency", "{:.1%}"),
        ("  of real frames", "real_consistency", "{:.1%}"),
    ]
    return Table(
        title=f"{world}: drift, {readings[0]['n']} worlds under {part['policy'].rpartition(':')[2]}",
        note="Every ratio to real is 1 for a perfect world. Valid: the twin's reader finds a state that can come of "
        "the start. Feature distance: 0 where dreamed and real frames are one distribution, 1 where they share "
        "nothing; other real walks in the same layouts say how much is natural. WR-Arena's score is left out where "
        "most pixels stand still, since it is 0 there, and where real things jump, since flow finds no motion.",
        header=("step", *(f"{each['step']:,}" for each in readings)),
        rows=_known([(label, *(_cell(each[name], form) for each in readings)) for label, name, form in rows]),
    )


def _rewards(world: str, part: Json) -> Table:
    segments = part["rewards"]
    rows = [
        ("mean reward, dream", "dream", "{:+.4f}"),
        ("mean reward, real", "real", "{:+.4f}"),
        ("drift, share of the reward's range", "drift", "{:.4f}"),
        ("ends in 1,000 steps, dream", "dream_ends", "{:.1f}"),
        ("ends in 1,000 steps, real", "real_ends", "{:.1f}"),
    ]
    return Table(
        title=f"{world}: rewards",
        note="Of all steps in each span, over all worlds. Where the real episode ends its next one begins, and the "
        "dream goes on: from there on only the means can be compared.",
        header=("steps", *(f"{each['first']:,}-{each['last']:,}" for each in segments)),
        rows=tuple((label, *(_cell(each[name], form) for each in segments)) for label, name, form in rows),
    )


def _actions(world: str, part: Json) -> Table:
    if "fidelity" not in part:
        return Table(title=f"{world}: actions", note=part["why"], header=("", ""), rows=(("not measured", _NONE),))
    fidelity, choice, real = part["fidelity"], part["choice"], part["real_choice"]
    rounds = [f"round {number}" for number in range(1, len(choice) + 1)]
    return Table(
        title=f"{world}: {fidelity['n'] // len(rounds)} sequences of {len(rounds)} actions",
        note=f'Fidelity: each round scored from 0 to 3 by the judge "{fidelity["judge"]}" and divided by 3; the judge '
        f"gives the real frames {fidelity['real']:.1%}. Choice: which of the real futures that different actions lead "
        "to the dream is nearest to.",
        header=("", *rounds),
        rows=(
            ("action fidelity", *(_cell(each, "{:.1%}") for each in fidelity["by_round"])),
            ("step-wise choice", *(_cell(each["share"], "{:.1%}") for each in choice)),
            ("  of real frames", *(_cell(each["share"], "{:.1%}") for each in real)),
            ("  by chance", *(_cell(each["chance"], "{:.1%}") for each in choice)),
        ),
    )


def _revisits(world: str, part: Json) -> Table:
    readings = part["readings"]
    return Table(
        title=f"{world}: revisits",
        note=part.get("why")
        or "Trips that leave a place and come back along the reversed path, as the real twin confirms. Score: the "
        "fraction of the place that is as it was, of dreams that really left; one that stays scores 0.",
        header=("steps away and back", *(str(each["steps"]) for each in readings)),
        rows=_known(
            [
                ("score", *(_cell(each["score"], "{:.1%}") for each in readings)),
                ("place kept", *(_cell(each["kept"], "{:.1%}") for each in readings)),
                ("dreams that left", *(_cell(each["left"], "{:.1%}") for each in readings)),
                ("trips", *(str(each["n"]) for each in readings)),
            ]
        ),
    )


def _physics(world: str, part: Json) -> Table:
    laws = list(dict.fromkeys(each["law"] for each in part["laws"]))
    found = {(each["law"], each["speeds"]): each for each in part["laws"]}
    speeds = list(dict.fromkeys(each["speeds"] for each in part["laws"]))
    rows = []
    for law in laws:
        cells = [found.get((law, each)) for each in speeds]
        rows.append((law, *(_cell(each and each["relative"], "{:.2f}") for each in cells)))
        rows.append(("  things lost", *(_cell(each and each["lost"], "{:.0%}") for each in cells)))
    return Table(
        title=f"{world}: laws of motion",
        note="Error of velocities read off the frames, as a share of the real speed: 0 is right, 1 is standing still. "
        "Only the first range of speeds is trained.",
        header=("velocity error", *speeds),
        rows=tuple(rows),
    )


def _last(parts: Json, name: str, form: str) -> str:
    readings = _of(parts, "drift", "readings")
    return _cell(readings[-1][name], form) if readings else _NONE


def _choice(parts: Json) -> str:
    choices = _of(parts, "actions", "choice")
    return f"{choices[0]['share']:.1%}" if choices else _NONE


def _revisit(parts: Json) -> str:
    readings = _of(parts, "revisits", "readings")
    return f"{readings[-1]['score']:.1%}" if readings else _NONE


def _reward(parts: Json) -> str:
    segments = _of(parts, "drift", "rewards")
    return f"{segments[-1]['drift']:.4f}" if segments else _NONE


def _of(parts: Any, *names: str) -> Any:
    """What lies under these names; None where one is missing."""
    for name in names:
        if not isinstance(parts, Mapping) or name not in parts:
            return None
        parts = parts[name]
    return parts


def _known(rows: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Those with anything in them."""
    return tuple(row for row in rows if any(cell != _NONE for cell in row[1:]))


def _cell(value: Any, form: str) -> str:
    return _NONE if value is None else form.format(value)


def _line(cells: Sequence[str]) -> str:
    return cells[0].ljust(_LABEL_WIDTH) + "".join(cell.rjust(_CELL_WIDTH) for cell in cells[1:])


def _at(*names: str) -> Callable[[Json], str]:
    """The cell of a share under these names."""
    return lambda parts: _cell(_of(parts, *names), "{:.1%}")


_OVERVIEW: tuple[tuple[str, Callable[[Json], str]], ...] = (
    ("last step read", lambda parts: _last(parts, "step", "{:,}")),
    ("valid states", lambda parts: _last(parts, "valid", "{:.1%}")),
    ("sharpness / real", lambda parts: _last(parts, "sharpness", "{:.2f}")),
    ("motion / real", lambda parts: _last(parts, "motion", "{:.2f}")),
    ("simulation consistency, all steps", _at("drift", "consistency")),
    ("  of real frames", _at("drift", "real_consistency")),
    ("action fidelity", _at("actions", "fidelity", "fidelity")),
    ("step-wise choice, first round", _choice),
    ("revisits, longest trip", _revisit),
    ("reward drift, last steps", _reward),
)
