"""What to play and how: the options of `wm-gym play`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

TURN_BASED = ("minigrid", "crafter")  # worlds that wait for their player; in all others time runs


@dataclass(frozen=True, kw_only=True)
class PlayConfig:
    """What to play.

    Attributes:
        world: a world of the checkpoint; by default its only one, and minigrid without a checkpoint.
        checkpoint: name of a shipped checkpoint or a folder of your own; by default one that has the world.
        seed: of the first episode; each reset takes the next one.
        image: start from this picture.
        view: show the dream, the real twin beside it ("both"), or the twin alone ("real").
        twin: Gymnasium id of the real twin; by default the world's own where a checkout has it.
        twin_arguments: arguments for the twin, as JSON: '{"layout": "doorkey"}'.
        policy: who plays when F8 lets it: a zip of stable-baselines3, or "module:factory" as in `wm-gym record`.
        drive: let the policy play from the start.
        clock: whether time runs while nobody acts ("running") or the world waits ("turns"); by default as the world is.
        script: play this without a window: texts and commands separated by commas, as "turn left,go on * 3,undo".
        record: film everything into this file, .gif or .mp4.
        episodes: save the play as datasets below this folder: `dream/`, and `real/` where the twin played.
        replay: play the recorded episodes of this dataset beside the dream.
        device: where the model runs, as torch names it.
        undo_megabytes: memory for past states; what does not fit is dreamed again when undo goes there.
    """

    world: str | None = None
    checkpoint: str | None = None
    seed: int = 0
    image: Path | None = None
    view: Literal["dream", "both", "real"] = "dream"
    twin: str | None = None
    twin_arguments: str = "{}"
    policy: str | None = None
    drive: bool = False
    clock: Literal["auto", "turns", "running"] = "auto"
    script: str | None = None
    record: Path | None = None
    episodes: Path | None = None
    replay: Path | None = None
    device: str = "cpu"
    undo_megabytes: int = 256

    def __post_init__(self) -> None:
        """Check what can be checked without a model.

        Raises:
            ValueError: an option is out of range, or two contradict each other.
        """
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")
        if self.undo_megabytes < 1:
            raise ValueError(f"undo_megabytes must be at least 1, got {self.undo_megabytes}")
        if self.drive and self.policy is None:
            raise ValueError("drive must have a policy, got none; name one with --policy")
        if self.drive and self.script is not None:
            raise ValueError("drive must stand without script, got both; write 'drive 100' in the script")
        if self.image is not None and self.view != "dream":
            raise ValueError(f"image must stand with the view 'dream', got {self.view!r}: no simulator starts from one")
        if self.replay is not None and (self.image or self.twin or self.policy):
            raise ValueError("replay must stand without image, twin and policy, got one of them; leave it out")

    def runs(self, world: str) -> bool:
        """Whether time runs in a world while nobody acts."""
        return self.clock == "running" or (self.clock == "auto" and world not in TURN_BASED)
