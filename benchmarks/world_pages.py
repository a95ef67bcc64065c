"""A page for each world, made of the registry, the twin and the committed measurements: `envs/<package>/<world>.md`.

`python3 -m benchmarks.world_pages` writes them all; a test compares them with what is committed.
"""

import argparse
import importlib
import inspect
import json
from enum import Enum
from pathlib import Path
from typing import Any

import gymnasium as gym

from envs.twin import Simulator
from wm_gym.checkpoint import read_card
from wm_gym.env import WorldModelEnv
from wm_gym.env_arguments import checkpoint_of
from wm_gym.vector_env import WorldModelVectorEnv
from wm_gym.worlds import WORLDS, KnownWorld

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
_SHOWN_PHRASES = 4
_SHOWN_ERRORS = 6
_ARGUMENTS = ["argument", "default", "what it does"]


def page_path(name: str) -> Path:
    """Where the page of a world lies: beside the twin's code."""
    return Path(inspect.getfile(simulator_of(name))).parent / f"{name}.md"


def simulator_of(name: str) -> type[Simulator]:
    """The simulator behind the twin of a world."""
    importlib.import_module("envs")  # registers the twins
    entry_point = gym.spec(WORLDS[name].twin.removeprefix("envs:")).entry_point
    assert isinstance(entry_point, str), "the twins are registered by name"
    module, _, twin = entry_point.partition(":")
    simulator: type[Simulator] = getattr(importlib.import_module(module), twin).simulator_class
    return simulator


def world_page(name: str) -> str:
    """The page of a world in Markdown."""
    world, simulator = WORLDS[name], simulator_of(name)
    module = inspect.getdoc(inspect.getmodule(simulator)) or ""
    parts = [
        f"# {world.id_name}",
        "<!-- written by python3 -m benchmarks.world_pages: change the code that it describes, then run it again -->",
        module,
        _text(simulator),
        _ids(name, world, simulator),
        _actions(simulator),
        _events(simulator),
        _spaces(simulator),
        _rewards(name, world, simulator),
        _variants(world, simulator),
        _fidelity(name),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _text(thing: Any) -> str:
    """The first paragraph of a docstring as one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _ids(name: str, world: KnownWorld, simulator: type[Simulator]) -> str:
    kinds = ["", "Discrete", *(["Box"] if world.has_numbers else [])]
    actions = {"": "texts", "Discrete": "numbered actions", "Box": "numbers"}
    learned = f"wm_gym/{world.id_name}{{}}-v0" if world.is_shipped else None
    rows = [
        [
            actions[kind],
            f"`{learned.format(kind)}`"
            if learned
            else f'`wm_gym/World{kind}-v0` with `world="{name}", checkpoint=...`',
            f"`envs:real/{world.id_name}{kind}-v0`",
        ]
        for kind in kinds
    ]
    shipped = "No weights of it come with the package yet: record, train, and pass your own `checkpoint`."
    if world.is_shipped:
        checkpoint = checkpoint_of(name)
        part = "" if checkpoint == name else f", in the checkpoint `{checkpoint}` of several worlds"
        shipped = f"Weights come with the package{part}."
    starts = "" if world.ships_starts else " No start frames of it are shipped: episodes start from your own simulator."
    return "\n\n".join(
        [
            "## Ids",
            _table(["actions", "learned", "real twin"], rows),
            f"{shipped}{starts} The twin runs in a checkout, after `{world.install}`. An episode is cut after "
            f"{world.max_episode_steps} steps; one second of the world is {simulator.render_fps} steps.",
        ]
    )


def _actions(simulator: type[Simulator]) -> str:
    actions = simulator.actions
    keys: dict[str, list[str]] = {}
    for key, text in actions.key_map.items():
        keys.setdefault(actions.names[actions.index(text)], []).append(f"`{key}`")
    rows = [
        [
            str(number),
            name,
            ", ".join(keys.get(name, [])),
            "; ".join(f"“{text}”" for text in phrases[:_SHOWN_PHRASES]),
            f"{len(phrases)} + {len(actions.unseen_phrases.get(name, ()))}",
        ]
        for number, (name, phrases) in enumerate(actions.phrases.items())
    ]
    numbers = ""
    if actions.control_low:
        bounds = ", ".join(
            f"[{low:g}, {high:g}]" for low, high in zip(actions.control_low, actions.control_high, strict=True)
        )
        numbers = f" It also takes {len(actions.control_low)} numbers in {bounds}."
    return "\n\n".join(
        [
            "## Actions",
            f"{len(actions.names)} actions; any other text does “{actions.idle}”.{numbers} The last column counts the "
            "phrasings that recordings say, and those kept back to test what the language model understands.",
            _table(["number", "action", "keys", "phrasings", "said + kept back"], rows),
        ]
    )


def _events(simulator: type[Simulator]) -> str:
    phrases = simulator.actions.event_phrases
    if not phrases:
        return ""
    rows = [
        [name, "; ".join(f"“{text}”" for text in texts[:_SHOWN_PHRASES]), str(len(texts))]
        for name, texts in phrases.items()
    ]
    return "\n\n".join(
        [
            "## Events",
            "What may happen in the real twin just before an action, once `env.unwrapped.happen(text)` has told it, or "
            f"by chance: `event_rate=0.1` makes it so in a tenth of the steps. {_text(simulator.happen)} The learned "
            "world is told in the same way, and has to have been trained on recordings with events.",
            _table(["event", "phrasings", "said"], rows),
        ]
    )


def _spaces(simulator: type[Simulator]) -> str:
    height, width = simulator.frame_size
    return "\n\n".join(
        [
            "## Observations",
            f"`Box(0, 255, (1, {height}, {width}, 3), uint8)` with texts, a chunk of one frame; "
            f"`Box(0, 255, ({height}, {width}, 3), uint8)` with the other kinds of action.",
        ]
    )


def _rewards(name: str, world: KnownWorld, simulator: type[Simulator]) -> str:
    said = " ".join((inspect.getdoc(simulator.step) or "").partition("\nReturns:")[0].partition("\nArgs:")[0].split())
    learned = ""
    if world.is_shipped:
        low, high = read_card(checkpoint_of(name)).worlds[name].reward_range
        learned = f" The learned world's rewards lie in [{low:g}, {high:g}]."
    return f"## Steps and rewards\n\n{said}{learned}"


def _variants(world: KnownWorld, simulator: type[Simulator]) -> str:
    single, batch = _documented(WorldModelEnv), _documented(WorldModelVectorEnv)
    limit = ["`max_episode_steps`", f"`{world.max_episode_steps}`", "truncate after so many steps: the horizon."]
    own = [row for row in batch if row[0] not in {name for name, *_ in [*single, limit]}]
    sections = [
        "## Variants",
        f"Arguments of `gym.make` for the learned {world.id_name}:",
        _table(_ARGUMENTS, [*single, limit]),
        '`gym.make_vec` takes them too, but for `render_mode="human"`, and these:',
        _table(_ARGUMENTS, own),
    ]
    twins = [["`split`", "`'train'`", '"train" or "test"; no start belongs to both.'], *_documented(simulator)]
    return "\n\n".join([*sections, "Arguments of the real twin:", _table(_ARGUMENTS, twins)])


def _documented(cls: type[Any]) -> list[list[str]]:
    """The arguments of a class that its docstring describes: name, default, what it does."""
    parameters, described = inspect.signature(cls.__init__).parameters, _arguments(inspect.getdoc(cls) or "")
    described |= {name: text for name, text in _arguments(inspect.getdoc(cls.__init__) or "").items() if name != "self"}
    return [[f"`{name}`", _default(parameters[name]), described[name]] for name in parameters if name in described]


def _default(parameter: inspect.Parameter) -> str:
    default = parameter.default
    shown = repr(default.value if isinstance(default, Enum) else default)
    return "" if default is inspect.Parameter.empty else f"`{shown}`"


def _arguments(docstring: str) -> dict[str, str]:
    """The arguments that a Google-style docstring describes."""
    found: dict[str, str] = {}
    name = ""
    lines = docstring.partition("Args:\n")[2].splitlines()
    for line in lines:
        if not line.strip():
            break
        if line.startswith("    ") and not line.startswith("     ") and ":" in line:
            name, _, text = line.strip().partition(":")
            found[name] = text.strip()
        elif name:
            found[name] += " " + line.strip()
    return {argument: text.replace("|", "\\|") for argument, text in found.items()}


def _measured(name: str) -> dict[str, Any] | None:
    """The fidelity report of the shipped checkpoint that has the world, or the part in one of several worlds."""
    checkpoint = checkpoint_of(name) if WORLDS[name].is_shipped else name
    path = RESULTS / (f"{name}_fidelity.json" if checkpoint == name else f"{checkpoint}.json")
    if not path.is_file():
        return None
    report: dict[str, Any] = json.loads(path.read_text())
    if checkpoint == name:
        return report
    part: dict[str, Any] = report["worlds"][name]["fidelity"]
    return part


def _fidelity(name: str) -> str:
    report = _measured(name)
    if report is None:
        return "## Fidelity\n\nNot measured yet: `wm-gym evaluate CHECKPOINT --world " + name + "` does."
    steps = list(report["n_by_horizon"])
    rows = [
        ["rollouts still running", *(str(report["n_by_horizon"][step]) for step in steps)],
        *(
            [["whole state equal", *(_percent(report["state_accuracy"][step]) for step in steps)]]
            if report["factors"]
            else []
        ),
        ["PSNR, dB", *(_decimal(report["psnr"][step]) for step in steps)],
        ["SSIM", *(_decimal(report["ssim"][step], 3) for step in steps)],
        ["PSNR of the first frame held, dB", *(_decimal(report["baseline_psnr"][step]) for step in steps)],
    ]
    sections = [
        "## Fidelity",
        f"{report['n']} open-loop rollouts from held-out starts against the real twin (`wm-gym evaluate`; weights "
        f"`{report['weights_hash'][:12]}`, {report['num_denoising_steps']} denoising steps).",
        _table(["step", *steps], rows),
        *(
            f"{event.capitalize()}: F1 {_decimal(report[event]['f1'], 3)} at the exact step "
            f"({report[event]['hits']} hits of {report[event]['true']} true and {report[event]['predicted']} "
            "predicted)."
            for event in ("reward", "termination")
            if report[event]["true"] or report[event]["predicted"]
        ),
        _trust(report),
        _correlation(report),
        _hallucinations(report),
    ]
    return "\n\n".join(section for section in sections if section)


def _trust(report: dict[str, Any]) -> str:
    """What a learner must know of rewards, ends and doubts before it relies on them."""
    rows = [
        ["reward", "macro-F1 (losses, nothing, gains)", _decimal(report["reward"]["macro_f1"], 3)],
        ["reward", "recall", _decimal(report["reward"]["recall"], 3)],
        ["termination", "macro-F1", _decimal(report["termination"]["macro_f1"], 3)],
        ["termination", "recall", _decimal(report["termination"]["recall"], 3)],
        ["termination", "Brier score", f"{report['termination']['brier']:.1g}"],
    ]
    if doubt := report.get("uncertainty"):
        rows += [
            ["uncertainty", "AUROC for the first wrong step", _decimal(doubt["first_error_auroc"], 3)],
            ["uncertainty", "AUROC for “wrong by now”, the highest so far", _decimal(doubt["error_auroc"], 3)],
            ["uncertainty", "exceeded by 1 % of right steps: a `max_uncertainty`", _decimal(doubt["limit"], 3)],
        ]
    return _table(["what", "figure", "value"], rows)


def _correlation(report: dict[str, Any]) -> str:
    """How the rewards of a world go with the real ones where they are no events."""
    correlation = report.get("reward_correlation")
    if correlation is None or report["reward"]["true"]:
        return ""
    return f"The reward of a step correlates with the real one at {_decimal(correlation, 3)}, over all steps."


def _hallucinations(report: dict[str, Any]) -> str:
    """What goes wrong first in dreams, as counted by the evaluation."""
    errors = report["first_errors"]
    if not errors["by_factor"]:
        return ""
    factors = ", ".join(f"{factor} ({count})" for factor, count in errors["by_factor"].items())
    texts = list(errors["by_action"].items())[:_SHOWN_ERRORS]
    said = ", ".join(f"“{text}” ({count['errors']} of {count['uses']})" for text, count in texts)
    return (
        f"### Known hallucinations\n\nIn {len(errors['rollouts'])} of {report['n']} rollouts the state goes wrong at "
        f"some step. What is wrong first: {factors}. After which text, of how often it was said: {said}."
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _decimal(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def main() -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", nargs="*", default=list(WORLDS), help="names of worlds; all by default")
    for name in parser.parse_args().worlds:
        path = page_path(name)
        path.write_text(world_page(name))
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
