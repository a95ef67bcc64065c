"""One HTML page of a long evaluation: tables, curves and contact sheets, all in one file."""

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from wm_gym.data.durable_writes import write_whole
from wm_gym.evaluation.long.figures import SHEETS, draw_curves
from wm_gym.evaluation.long.store import ReportStore
from wm_gym.evaluation.long.table import Table, overview, world_tables

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1120px; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: .6em 0; } td, th { padding: .2em .8em; text-align: right; }
td:first-child, th:first-child { text-align: left; white-space: pre; } th { border-bottom: 1px solid #888; }
tr:nth-child(even) td { background: #f5f5f5; } p.note { color: #555; max-width: 62em; margin: .2em 0; }
img { max-width: 100%; image-rendering: auto; } h2 { border-bottom: 2px solid #222; margin-top: 2em; }
"""
_CAPTIONS = {
    "drift": "The first worlds at each step. The dream gets the real walk's actions; it may part from it "
    "and still be a sound world. A red border: the state is not the real one, as far as it can be read.",
    "actions": "The first sequences: what the dream was told, how the judge scored it, and what really happened.",
    "revisits": "The first of the longest trips.",
    "physics": "The first fall of each kind, every step.",
}


def write_page(store: ReportStore) -> tuple[Path, ...]:
    """Writes `report.html` and, beside it, the pictures that it shows as files of their own.

    Args:
        store: What was measured.

    Returns:
        The files, the page first.
    """
    body, files = [_head(store.report), _table(overview(store.report))], []
    for world, parts in store.report["worlds"].items():
        pictures = {"curves": draw_curves(world, parts["drift"])} if "drift" in parts else {}
        for name in parts:
            if found := store.pictures(world, name):
                pictures[name] = SHEETS[name](found)
        body.append(_section(world, parts, pictures))
        for name, png in pictures.items():
            path = store.folder / f"{world}-{name}.png"
            write_whole(path, png)
            files.append(path)
    body += [
        f"<p>{escape(world)} was not measured: {escape(why)}</p>" for world, why in store.report["missing"].items()
    ]
    page = store.folder / "report.html"
    text = f"<!doctype html><meta charset='utf-8'><title>Long horizons</title><style>{_STYLE}</style>{''.join(body)}\n"
    write_whole(page, text.encode())
    return (page, *files)


def _head(report: Mapping[str, Any]) -> str:
    run, machine = report["run"], report.get("provenance", {})
    facts = [
        f"checkpoint {run['checkpoint']}",
        f"weights {run['weights_hash'][:12]}",
        f"seed {run['seed']}",
        f"split “{run['split']}”",
        str(machine.get("device_name", "")),
    ]
    return f"<h1>Long horizons</h1><p>{escape(' · '.join(fact for fact in facts if fact))}</p>"


def _section(world: str, parts: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    tables = [_table(table) for table in world_tables(world, parts)]
    curves = _image(pictures["curves"]) if "curves" in pictures else ""
    sheets = [
        f"<h3>{escape(world)}: {name}</h3><p class='note'>{_CAPTIONS[name]}</p>{_image(png)}"
        for name, png in pictures.items()
        if name != "curves"
    ]
    return "".join([f"<h2>{escape(world)}</h2>", curves, *tables, *sheets])


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.header)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    note = f"<p class='note'>{escape(table.note)}</p>"
    return f"<h3>{escape(table.title)}</h3>{note}<table><tr>{head}</tr>{rows}</table>"


def _image(png: bytes) -> str:
    return f"<img src='data:image/png;base64,{base64.b64encode(png).decode()}'>"
