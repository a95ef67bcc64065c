"""Which checkpoint an env takes."""

from wm_gym.checkpoint import read_card, shipped_names


def checkpoint_of(world: str) -> str:
    """The shipped checkpoint that has a world: the one of its name, or else the first.

    Raises:
        ValueError: none has it.
    """
    worlds = {name: tuple(read_card(name).worlds) for name in shipped_names()}
    found = [name for name, known in worlds.items() if world in known]
    if not found:
        known = ", ".join(sorted({world for names in worlds.values() for world in names}))
        raise ValueError(f"world must be one of {known}, got {world!r}; pass checkpoint= for your own")
    return world if world in found else found[0]
