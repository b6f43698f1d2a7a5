"""The words of the camera language: moves, directions, units, defaults and limits.

Names and meanings follow CameraBench; default amounts lie in the middle of the ranges used in practice
(ReCamMaster: pan 5-45 deg, tilt 5-30 deg, arc 15-75 deg, translations 1/4 to 1 of the subject's distance).
"""

from __future__ import annotations

from dataclasses import dataclass

CURVES = ("linear", "ease", "ease-in", "ease-out")
SPEEDS = ("slow", "fast")
MAX_SECONDS = 3600.0
DEFAULT_FOV = 40.0  # degrees, vertical
IMAGINED_DISTANCE = 3.5  # metres to a grown-up in the default framing; taken where there is no subject


@dataclass(frozen=True)
class Verb:
    """What one move may say.

    Args:
        directions: the first one is taken when none is said; empty where the move has none.
        unit: of the amount, "deg", "m" or "x"; None where the move takes no amount.
        default: the amount when none is said, in `unit`; with `of_distance`, in subject distances.
        limit: the largest amount.
        required: a direction must be said.
    """

    directions: tuple[str, ...] = ()
    unit: str | None = None
    default: float = 0.0
    limit: float = 1000.0
    of_distance: bool = False
    required: bool = True


VERBS: dict[str, Verb] = {
    "hold": Verb(),
    "dolly": Verb(("in", "out"), "m", 0.4, of_distance=True),
    "truck": Verb(("left", "right"), "m", 0.3, of_distance=True),
    "pedestal": Verb(("up", "down"), "m", 0.25, of_distance=True),
    "crane": Verb(("up", "down"), "m", 0.4, of_distance=True),
    "pan": Verb(("left", "right"), "deg", 20.0, limit=3600.0),
    "tilt": Verb(("up", "down"), "deg", 15.0, limit=180.0),
    "roll": Verb(("cw", "ccw"), "deg", 15.0, limit=3600.0),
    "arc": Verb(("left", "right"), "deg", 45.0, limit=3600.0),
    "zoom": Verb(("in", "out"), "x", 1.5, limit=100.0),
    "dolly-zoom": Verb(("in", "out"), "m", 0.4, of_distance=True),
    # The follow shots; an amount is the distance to keep, by default the distance the camera has.
    "follow": Verb((), "m", 1.0, of_distance=True),
    "follow lead": Verb((), "m", 1.0, of_distance=True),
    "follow tail": Verb((), "m", 1.0, of_distance=True),
    "follow side": Verb(("left", "right"), "m", 1.0, of_distance=True, required=False),
    "follow aerial": Verb((), "m", 1.0, of_distance=True),
    "follow arc": Verb(("left", "right"), "deg", 45.0, limit=3600.0, required=False),
    "follow pan": Verb(),
    "follow tilt": Verb(),
}
FOLLOWS = tuple(name.split()[1] for name in VERBS if name.startswith("follow "))

# Other words for a move, as the words of the text: a verb, or a verb with its direction.
SYNONYMS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("static",): ("hold",),
    ("still",): ("hold",),
    ("wait",): ("hold",),
    ("orbit",): ("arc",),
    ("vertigo",): ("dolly-zoom",),
    ("dollyzoom",): ("dolly-zoom",),
    ("dolly", "zoom"): ("dolly-zoom",),
    ("push", "in"): ("dolly", "in"),
    ("push-in",): ("dolly", "in"),
    ("pull", "out"): ("dolly", "out"),
    ("pull", "back"): ("dolly", "out"),
    ("pull-out",): ("dolly", "out"),
}

# Seen from above, a camera that moves to its own left runs clockwise round what it looks at.
DIRECTION_SYNONYMS: dict[str, dict[str, str]] = {
    "arc": {"cw": "left", "ccw": "right"},
    "follow arc": {"cw": "left", "ccw": "right"},
    "roll": {"right": "cw", "left": "ccw"},
    "dolly": {"forward": "in", "backward": "out", "back": "out"},
}
TURNS = {
    "clockwise": "cw",
    "counterclockwise": "ccw",
    "counter-clockwise": "ccw",
    "anticlockwise": "ccw",
    "anti-clockwise": "ccw",
    "acw": "ccw",
}

# MotionCtrl's own names, whose "pan" and "zoom" mean other moves than a cinematographer's.
MOTIONCTRL: dict[tuple[str, str], tuple[str, str]] = {
    ("pan", "left"): ("truck", "left"),
    ("pan", "right"): ("truck", "right"),
    ("pan", "up"): ("pedestal", "up"),
    ("pan", "down"): ("pedestal", "down"),
    ("zoom", "in"): ("dolly", "in"),
    ("zoom", "out"): ("dolly", "out"),
    ("roll", "cw"): ("roll", "cw"),
    ("roll", "ccw"): ("roll", "ccw"),
}

UNITS: dict[str, tuple[str, float]] = {
    **dict.fromkeys(("deg", "degs", "degree", "degrees", "°"), ("deg", 1.0)),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), ("m", 1.0)),
    "cm": ("m", 0.01),
    **dict.fromkeys(("x", "×", "times"), ("x", 1.0)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("s", 1.0)),
    "ms": ("s", 0.001),
}
UNIT_NAMES = {"deg": "degrees (45deg)", "m": "metres (0.5m)", "x": "a factor (2x)", "s": "seconds (2s)"}

CURVE_WORDS = {**{c: c for c in CURVES}, "ease-in-out": "ease", "smooth": "ease", "constant": "linear"}
SPEED_WORDS = {"slow": "slow", "slowly": "slow", "fast": "fast", "quickly": "fast"}
SHAKE_WORDS = {"shaky": True, "handheld": True, "stable": False, "steady": False}
JOIN_WORDS = {"then": "then", ";": "then", "with": "with", "and": "with", "+": "with"}
TIME_WORDS = ("over", "for")


def known_words() -> tuple[str, ...]:
    """Every word the language knows, for suggestions."""
    words: set[str] = set()
    for name, verb in VERBS.items():
        words.update(name.split(), verb.directions)
    for phrase in SYNONYMS:
        words.update(phrase)
    for table in DIRECTION_SYNONYMS.values():
        words.update(table)
    words.update(TURNS, CURVE_WORDS, SPEED_WORDS, SHAKE_WORDS, JOIN_WORDS, TIME_WORDS)
    return tuple(sorted(word for word in words if len(word) > 1))
