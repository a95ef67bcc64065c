"""What Crafter's six actions that make tools are called.

They share their sentences; `{a}` is the tool with its article and `{bare}` without.
"""

from itertools import cycle

_TOOLS = {  # name: ways to say it without and with the article
    "make wood pickaxe": (("wood pickaxe", "wooden pickaxe"), ("a wood pickaxe", "a wooden pickaxe", "a wooden pick")),
    "make stone pickaxe": (
        ("stone pickaxe", "stone pick"),
        ("a stone pickaxe", "a pickaxe of stone", "a stone pick"),
    ),
    "make iron pickaxe": (("iron pickaxe", "iron pick"), ("an iron pickaxe", "a pickaxe of iron", "an iron pick")),
    "make wood sword": (("wood sword", "wooden sword"), ("a wood sword", "a wooden sword", "a sword of wood")),
    "make stone sword": (("stone sword", "sword of stone"), ("a stone sword", "a sword of stone", "a stone blade")),
    "make iron sword": (("iron sword", "sword of iron"), ("an iron sword", "a sword of iron", "an iron blade")),
}
_SENTENCES = (
    "make {bare}",
    "{bare}",
    "make {a}",
    "craft {a}",
    "build {a}",
    "create {a}",
    "craft {bare}",
    "forge {a}",
    "produce {a}",
    "make yourself {a}",
    "make me {a}",
    "get {a}",
    "please make {a}",
    "please craft {a}",
    "could you make {a}",
    "can you craft {a} please",
    "make {a} now",
    "make {a} at the table",
    "use the table to make {a}",
    "stand by the table and craft {a}",
    "i need {a}",
    "we need {a}",
    "i want {a}",
    "it is time to make {a}",
    "let's make {a}",
    "try to make {a}",
    "make one {bare}",
    "a new {bare} please",
    "turn your materials into {a}",
    "equip yourself with {a}",
    "construct {a}",
    "go ahead and craft {a}",
    "you have what it takes, make {a}",
    "put together {a}",
)

UNSEEN_PHRASES: dict[str, tuple[str, ...]] = {
    "make wood pickaxe": (
        "whip up a pickaxe from wood",
        "carve a pickaxe out of a log",
        "assemble a wooden pickaxe",
        "how about a pickaxe made of wood",
        "knock together a timber pickaxe",
        "prepare the wooden mining tool",
        "fashion a pickaxe from planks",
    ),
    "make stone pickaxe": (
        "whip up a pickaxe from stone",
        "assemble a stone pickaxe",
        "how about a pickaxe made of stone",
        "fashion a pickaxe from rock",
        "upgrade to a stone pickaxe",
        "prepare the stone mining tool",
        "give your pickaxe a head of stone",
    ),
    "make iron pickaxe": (
        "whip up a pickaxe from iron",
        "assemble an iron pickaxe",
        "how about a pickaxe made of iron",
        "smelt the ore into a pickaxe",
        "upgrade to an iron pickaxe",
        "prepare the iron mining tool",
        "fashion a pickaxe from metal",
    ),
    "make wood sword": (
        "whip up a sword from wood",
        "carve a sword out of a log",
        "assemble a wooden sword",
        "how about a sword made of wood",
        "arm yourself with a wooden blade",
        "fashion a sword from planks",
        "prepare the wooden weapon",
    ),
    "make stone sword": (
        "whip up a sword from stone",
        "assemble a stone sword",
        "how about a sword made of stone",
        "fashion a sword from rock",
        "upgrade to a stone sword",
        "prepare the stone weapon",
        "arm yourself with a blade of rock",
    ),
    "make iron sword": (
        "whip up a sword from iron",
        "assemble an iron sword",
        "how about a sword made of iron",
        "smelt the ore into a sword",
        "upgrade to an iron sword",
        "prepare the iron weapon",
        "arm yourself with a blade of metal",
    ),
}
"""Name -> phrasings that no recording says."""


def _say(bare: tuple[str, ...], article: tuple[str, ...]) -> tuple[str, ...]:
    """The sentences about a tool, its ways to be called in turns."""
    names, articles = cycle(bare), cycle(article)
    return tuple(dict.fromkeys(sentence.format(bare=next(names), a=next(articles)) for sentence in _SENTENCES))


PHRASES: dict[str, tuple[str, ...]] = {name: _say(*words) for name, words in _TOOLS.items()}
"""Name -> phrasings; the first is the canonical one."""
