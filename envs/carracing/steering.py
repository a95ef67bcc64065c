"""What to call the four actions of CarRacing that turn the wheel, each way with the same sentences.

The words left and right stand in no sentence that a recording says: only other worlds say them, and whether they carry
over to this one is what `TRANSFER_PHRASES` tests.
"""

from collections.abc import Mapping

Phrases = dict[str, tuple[str, ...]]

_WORDS = {
    "left": {
        "clock": "counterclockwise",
        "anti": "anticlockwise",
        "against": "against",
        "port": "port",
        "west": "west",
        "nine": "nine",
        "ten": "ten",
        "side": "left",
    },
    "right": {
        "clock": "clockwise",
        "anti": "clockwise",
        "against": "with",
        "port": "starboard",
        "west": "east",
        "nine": "three",
        "ten": "two",
        "side": "right",
    },
}

_STEER = (
    "steer {clock}",
    "turn the wheel {clock}",
    "turn the steering wheel {anti}",
    "please rotate the wheel {clock}",
    "bend {anti}",
    "steer to {port}",
    "turn to {port}",
    "veer to {port}",
    "hard to {port}",
    "{port}",
    "{port}, please",
    "bear {west}",
    "turn {west}",
    "veer {west}",
    "steer towards the {west}",
    "swing towards {nine} o'clock",
    "aim for {ten} o'clock",
    "point the nose at {ten} o'clock",
    "{nine} o'clock",
    "spin {clock}",
    "curve off to {port}",
    "yaw {anti}",
    "could you turn the wheel {anti} a bit",
    "coast and bend {west}",
    "ease the car round {clock}",
    "twist the wheel {clock}",
    "the road bends {west}, follow it",
    "there is a bend to {port}, take it",
    "crank the wheel {anti}",
    "rotate {anti}",
    "nudge it to {port}",
    "drift off {west}wards",
    "swing the bonnet to {port}",
    "cut across to the {port} side",
    "wheel {clock}, feet off the pedals",
    "dodge to {port}",
    "we need to bear further {west}",
    "take the {west} side of the road",
)
_STEER_UNSEEN = (
    "curl round {against} the clock",
    "swerve {west}",
    "make for the {port} kerb",
    "tug the wheel over to {nine} o'clock",
    "lean into the bend that goes {west}",
    "would you mind edging to {port}",
    "haul it round {anti}, no gas",
    "the track winds off to {port}, stay on it",
)
_STEER_TRANSFER = (
    "turn {side}",
    "steer {side}",
    "go {side}",
    "{side}",
    "rotate {side}",
    "rotate to the {side}",
    "turn to the {side}",
    "turn to your {side}",
    "move {side}",
    "bear {side}",
    "veer {side}",
    "swing {side}",
    "head {side}",
    "face {side}",
    "take a {side}",
    "please turn {side}",
    "turn the wheel to the {side}",
    "make a {side} turn",
)
_ACCELERATE = (
    "accelerate {clock}",
    "accelerate and steer {clock}",
    "speed up while turning the wheel {anti}",
    "gas and {port}",
    "step on the gas and turn {west}",
    "go faster and bear {west}",
    "throttle up, wheel {anti}",
    "speed up towards {ten} o'clock",
    "power through the bend to {port}",
    "put your foot down and veer to {port}",
    "full gas to {port}",
    "floor it {west}wards",
    "accelerate to {port}",
    "pick up speed and curve {west}",
    "keep accelerating and follow the bend {west}",
    "more throttle, and round {anti}",
    "more power, nose to {nine} o'clock",
    "hit the gas and swing {clock}",
    "please speed up and steer to {port}",
    "could you accelerate round the bend that goes {west}",
    "race off to {port}",
    "steer {west} under power",
    "turn {anti} with your foot on the gas",
    "forward and to {port}",
    "move forward and {west}",
    "give it some gas and bend {clock}",
    "pull away towards {ten} o'clock",
    "faster, and to {port}",
    "speed {west}",
    "rev it and rotate the wheel {clock}",
    "press the accelerator while turning to {port}",
    "gun it {west}",
    "gain speed and head {west}",
    "boost around the bend {clock}",
    "charge on to {port}",
    "we are too slow, more gas, and {west} a bit",
)
_ACCELERATE_UNSEEN = (
    "zoom off {west}wards",
    "squeeze the throttle and yaw to {port}",
    "hurry along the curve towards {nine} o'clock",
    "pedal to the metal, swerve {west}",
    "quicken up and wind the wheel {anti}",
    "hammer down and peel off to {port}",
    "let's go quicker, and a touch more to {port}",
    "pour on the speed and dive {west}",
)
_ACCELERATE_TRANSFER = (
    "accelerate {side}",
    "accelerate and turn {side}",
    "speed up while turning {side}",
    "gas and {side}",
    "step on the gas and turn {side}",
    "go faster and bear {side}",
    "move forward and turn {side}",
    "go forward and to the {side}",
    "forward {side}",
    "run {side}",
    "drive faster to the {side}",
    "hit the gas and steer {side}",
    "full speed to the {side}",
    "please speed up and go {side}",
    "put your foot down and veer {side}",
    "advance to the {side}",
)


def _both_ways(steer: tuple[str, ...], accelerate: tuple[str, ...]) -> Phrases:
    """Name -> sentences, for the wheel alone and then with gas."""
    filled = {}
    for first, sentences in ((_STEER[0], steer), (_ACCELERATE[0], accelerate)):
        for words in _WORDS.values():
            filled[first.format(**words)] = tuple(sentence.format(**words) for sentence in sentences)
    return filled


PHRASES: Mapping[str, tuple[str, ...]] = _both_ways(_STEER, _ACCELERATE)
UNSEEN_PHRASES: Mapping[str, tuple[str, ...]] = _both_ways(_STEER_UNSEEN, _ACCELERATE_UNSEEN)
TRANSFER_PHRASES: Mapping[str, tuple[str, ...]] = _both_ways(_STEER_TRANSFER, _ACCELERATE_TRANSFER)
"""Name of an action -> its phrasings; the first of `PHRASES` is the name."""
