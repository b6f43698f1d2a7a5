"""How people say camera moves, and what that is in the camera language.

Vocabulary: everyday English and film sets'; the meanings are those of scene/camera_vocabulary.py. Texts come from
strangers, so no pattern may take more than linear time: repeats are possessive (`*+`), and words that belong together
stand at most `_NEAR` apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MODIFIER = (
    r"slow(?:ly)?|fast|quick(?:ly)?|rapid(?:ly)?|gentl[ey]|gradual(?:ly)?|smooth(?:ly)?|"
    r"swift(?:ly)?|steadil?y"
)

_LONGEST = 500  # characters of one move and what is said of it (ours)
_NEAR = ".{0,120}"  # (ours)
_IN = r"(?:in(?:to|wards?)?|forwards?|closer|nearer|towards?|up to|on)"
_OUT = r"(?:out(?:wards?)?|back(?:wards?)?|away|off)"
_MANNER = rf"(?:(?:{MODIFIER}|then|is|it|straight|all the way|further|a little|slightly|physically)\s+)*+"
_TO_SIDE = (
    r"(?:to\s+(?:the|its|her|his|their)\s+|from\s+\w+\s+to\s+|across\s+to\s+the\s+|"
    r"sideways\s+(?:to\s+the\s+)?)?"
)
_GO = (
    r"(?:mov(?:e|es|ing)|glid(?:e|es|ing)|slid(?:e|es|ing)|travel(?:s|l?ing)?|goes|go|going|"
    r"drift(?:s|ing)?|float(?:s|ing)?|fl(?:y|ies|ying)|track(?:s|ing)?|creep(?:s|ing)?)"
)
_PAN = (
    r"(?:(?:whip[- ])?pan(?:s|ning|ned)?|turn(?:s|ing)?|swivel(?:s|l?ing)?|swing(?:s|ing)?|"
    r"rotat(?:e|es|ing)|look(?:s|ing)?)"
)
_ROUND = (
    r"(?:orbit(?:s|ing|ed)?|arc(?:s|ing)?|circl(?:e|es|ing)|encircl(?:e|es|ing)|revolv(?:e|es|ing)|"
    rf"(?:{_GO}|spin(?:s|ning)?|rotat(?:e|es|ing)|swing(?:s|ing)?|sweep(?:s|ing)?|walk(?:s|"
    rf"ing)?)\s+{_MANNER}(?:a)?round)"
)
_RISE = (
    r"(?:ris(?:e|es|ing)|ascend(?:s|ing)?|lift(?:s|ing)?|(?:boom|jib|pedestal)(?:s|ing)?\s+up|"
    r"climb(?:s|ing)?)"
)
_SINK = (
    r"(?:sink(?:s|ing)?|descend(?:s|ing)?|lower(?:s|ing)?|(?:boom|jib|pedestal)(?:s|"
    r"ing)?\s+down|drop(?:s|ping)?)"
)
_SIDE = r"(?:left|right)"
_WAY = r"(?:up|down)(?:wards?)?"
_TURN = r"(?:counter-?\s?clockwise|anti-?\s?clockwise|clockwise|ccw|cw)"
_FOLLOW = (
    r"(?:follow(?:s|ing|ed)?|track(?:s|ing|ed)?|chas(?:e|es|ing)|trail(?:s|ing)?|accompan(?:y|"
    r"ies|ying)|keep(?:s|ing)?\s+(?:up|pace)\s+with|stay(?:s|ing)?\s+with)"
)
_STILL = (
    r"(?:static|stationary|fixed|still|locked(?:[- ](?:off|down))?|motionless|unmoving|(?:on\s+a\s+)?tripod|"
    r"(?:does\s+not|doesn['’]?t|never)\s+move|hold(?:s|ing)?(?:\s+(?:still|steady|"
    r"the\s+(?:shot|frame)))?|stays?\s+put|"
    r"remains?\s+(?:in\s+place|where\s+it\s+is))"
)

# The first phrase that fits names the move; {side}, {way} and {turn} are the last such word in it.
_PHRASES: tuple[tuple[str, str], ...] = (
    (
        rf"(?:dolly|zolly|contra)[- ]?zoom(?:s|ing)?(?:\s+{_OUT})\b|(?:dollies|"
        rf"dolly)\s+out\s+(?:while|and)\s+zoom",
        "dolly-zoom out",
    ),
    (r"dolly[- ]?zoom|zolly|vertigo", "dolly-zoom in"),
    (r"\b(?:pan|tilt|turn)(?:s|ning|ing)?\s+(?:only\s+)?(?:to\s+)?(?:follow|keep|with)\b", "follow pan"),
    (
        rf"\b{_FOLLOW}\b{_NEAR}\b(?:from\s+(?:directly\s+)?(?:above|overhead)|aerial|drone)|\b(?:aerial|"
        rf"drone|overhead)\b{_NEAR}\b{_FOLLOW}\b",
        "follow aerial",
    ),
    (
        rf"\b{_FOLLOW}\b{_NEAR}\b(?:from\s+(?:right\s+)?behind|from\s+the\s+(?:back|rear))|"
        rf"\bbehind\b{_NEAR}\b{_FOLLOW}\b|\bover[- ]the[- ]shoulder",
        "follow tail",
    ),
    (
        rf"\b(?:{_FOLLOW}|leads?|leading|backs?\s+away|retreats?)\b{_NEAR}\b(?:in\s+front|ahead|"
        rf"from\s+the\s+front)|\bleads?\s+(?:him|her|them|the)\b|\bleading\s+shot",
        "follow lead",
    ),
    (
        rf"\b{_FOLLOW}\b{_NEAR}\b(?:on|from)\s+(?:the|his|her|their)\s+{_SIDE}(?:\s+side)?",
        "follow side {side}",
    ),
    (
        rf"\b{_FOLLOW}\b{_NEAR}\b(?:alongside|beside|from\s+the\s+side|side\s+on)|\bside\s+tracking",
        "follow side left",
    ),
    (rf"\b{_ROUND}\b{_NEAR}?\b{_TURN}", "arc {turn}"),
    (rf"\b{_ROUND}\b{_NEAR}?\b{_SIDE}\b", "arc {side}"),
    (rf"\b{_SIDE}\s+(?:orbit|arc)", "arc {side}"),
    (rf"\b{_ROUND}\b|\b360(?:[- ]degrees?)?\s+(?:shot|view|spin)|\bbullet[- ]time", "arc left"),
    (rf"\bzoom(?:s|ing|ed)?\b\s*{_MANNER}{_OUT}\b", "zoom out"),
    (rf"\bzoom(?:s|ing|ed)?\b\s*{_MANNER}{_IN}\b|\bzoom\b", "zoom in"),
    (
        rf"\bpull(?:s|ing|ed)?\b[- ]*{_MANNER}{_OUT}\b|\bdoll(?:y|ies|ying)\b\s*{_MANNER}{_OUT}\b|"
        rf"\bretreats?\b",
        "dolly out",
    ),
    (
        rf"\bpush(?:es|ing|ed)?\b[- ]*{_MANNER}{_IN}\b|\bdoll(?:y|ies|ying)\b\s*{_MANNER}{_IN}\b|"
        rf"\bapproach(?:es|ing)?\b|\bcom(?:es|ing)\s+{_MANNER}(?:closer|nearer)|\bpush[- ]?in\b",
        "dolly in",
    ),
    (rf"\b{_GO}\b\s*{_MANNER}{_OUT}\b", "dolly out"),
    (rf"\bcranes?\b\s*{_MANNER}{_WAY}\b|\bcraning\s+{_WAY}\b", "crane {way}"),
    (r"\bcrane\s+shot|\bjib\s+shot", "crane up"),
    (rf"\btilt(?:s|ing|ed)?\b\s*{_MANNER}{_WAY}\b|\b{_PAN}\b\s*{_MANNER}{_WAY}\b", "tilt {way}"),
    (
        rf"\bdutch\b{_NEAR}?\b{_SIDE}\b|\b(?:roll|tilt|lean|cant)(?:s|ing|"
        rf"ed)?\b\s*{_MANNER}{_TO_SIDE}{_SIDE}\b",
        "roll {side}",
    ),
    (rf"\broll(?:s|ing|ed)?\b{_NEAR}?\b{_TURN}", "roll {turn}"),
    (r"\bdutch\s+(?:angle|tilt)|\bcanted\b", "roll cw"),
    (rf"\b{_PAN}\b\s*{_MANNER}{_TO_SIDE}{_SIDE}\b|\b{_SIDE}\s+pan\b", "pan {side}"),
    (
        rf"\b(?:{_GO}|truck(?:s|ing|ed)?|crab(?:s|bing)?|shift(?:s|ing)?|doll(?:y|ies|"
        rf"ying))\b\s*{_MANNER}{_TO_SIDE}{_SIDE}\b|\b{_SIDE}\s+truck",
        "truck {side}",
    ),
    (
        rf"\bpedestal\b\s*{_WAY}|\b(?:{_GO}|boom(?:s|ing)?)\b\s*{_MANNER}(?:straight\s+)?{_WAY}\b",
        "pedestal {way}",
    ),
    (rf"\b{_RISE}\b", "pedestal up"),
    (rf"\b{_SINK}\b", "pedestal down"),
    (rf"\b{_GO}\b\s*{_MANNER}{_IN}\b", "dolly in"),
    (
        r"\b(?:from\s+(?:high\s+|directly\s+|far\s+|straight\s+)?(?:above|overhead)|"
        r"bird['’]?s[- ]eye|top[- ]down|overhead|aerial|high[- ]angle)\b",
        "follow aerial",
    ),
    (
        r"\bfrom\s+(?:directly\s+|right\s+)?behind\b|\bfrom\s+the\s+(?:back|rear)\b|\b(?:rear|"
        r"back)\s+(?:view|shot|angle)\b",
        "follow tail",
    ),
    (rf"\bfrom\s+(?:the|his|her|their)\s+{_SIDE}(?:\s+side)?\b", "follow side {side}"),
    (r"\bfrom\s+the\s+side\b|\bside[- ](?:view|shot|angle|on)\b|\b(?:in\s+)?profile\b", "follow side left"),
    (rf"\b{_FOLLOW}\b(?!\s+(?:by)\b)", "follow"),
    (rf"\b{_STILL}\b", "hold"),
    (r"\bfrom\s+(?:the\s+)?front\b|\bfrontal\s+(?:view|shot|angle)", "hold"),
)
_SLOTS = {"side": _SIDE, "way": r"(?:up|down)", "turn": _TURN}
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), move) for pattern, move in _PHRASES)
_SHAKY = re.compile(r"\b(?:hand-?\s?held|shaky|shak(?:es|ing)|found[- ]footage)\b", re.IGNORECASE)
_PARTS = re.compile(
    r"(?:\s*[,;])?+\s*+\b(?P<then>(?:and\s+)?then|before|followed\s+by|and\s+(?:finally|afterwards))\b\s*|"
    r"(?:\s*[,;])?+\s*+\b(?P<with>while|whilst|and|with|as\s+it|at\s+the\s+same\s+time)\b\s+",
    re.IGNORECASE,
)
_NUMBER = (
    r"(?P<number>\d+(?:[.,]\d+)?|half\s+a|a|an|one|two|three|four|five|six|ten|twenty|thirty|"
    r"forty[- ]five|forty|sixty|ninety)"
)
_AMOUNTS = (
    ("deg", re.compile(rf"\b{_NUMBER}\s*[- ]?\s*(?:degrees?|degs?|°)", re.IGNORECASE)),
    ("cm", re.compile(rf"\b{_NUMBER}\s*[- ]?\s*(?:centimet(?:re|er)s?|cm)\b", re.IGNORECASE)),
    ("m", re.compile(rf"\b{_NUMBER}\s*[- ]?\s*(?:met(?:re|er)s?|m)\b", re.IGNORECASE)),
    ("x", re.compile(rf"\b{_NUMBER}\s*(?:x|times|×)(?=\W|$)", re.IGNORECASE)),
)
_SECONDS = re.compile(
    rf"\b(?:over|for|in|within|during)\s+(?:about\s+)?{_NUMBER}\s*[- ]?\s*(?:seconds?|secs?|s)\b",
    re.IGNORECASE,
)
_TURNS = (
    (re.compile(
        r"\b(?:full(?:y)?|complete(?:ly)?|whole)\b|\ball\s+the\s+way\s+(?:a)?round|\b360\b|"
        r"\bonce\s+around", re.IGNORECASE), 360),
    (re.compile(r"\bhalf(?:way)?\b|\bsemi-?circle", re.IGNORECASE), 180),
    (re.compile(r"\bquarter\b", re.IGNORECASE), 90),
)  # fmt: skip
_WORDS = {"half a": 0.5, "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10,
          "twenty": 20, "thirty": 30, "forty": 40, "forty-five": 45, "sixty": 60, "ninety": 90}  # fmt: skip
_SLOW = re.compile(r"\b(?:slow(?:ly)?|gentl[ey]|gradual(?:ly)?|slight(?:ly)?|a\s+little)\b", re.IGNORECASE)
_FAST = re.compile(
    r"\b(?:fast|quick(?:ly)?|rapid(?:ly)?|swift(?:ly)?|whip[- ]|sudden(?:ly)?|crash)\b", re.IGNORECASE
)
_SMOOTH = re.compile(r"\bsmooth(?:ly)?\b|\beas(?:es|ing)\b", re.IGNORECASE)
_UNITS = {"arc": "deg", "pan": "deg", "tilt": "deg", "roll": "deg", "zoom": "x", "hold": None}
_OPENING = re.compile(
    rf"^(?:(?:and|then|it|the|camera|finally|{MODIFIER})\s+)*+(?:{_GO}|{_PAN}|{_ROUND}|"
    rf"{_RISE}|{_SINK}|{_FOLLOW}|"
    r"zoom\w*|doll\w+|push\w*|pull\w*|tilt\w*|truck\w*|crane\w*|roll\w*|static|hand-?held|"
    r"shaky|hold\w*|stays?)\b",
    re.IGNORECASE,
)


@dataclass
class Said:
    """What a clause says of the camera.

    Args:
        moves: ("then" or "with", move in the camera language), in order.
        notes: what was guessed or left out.
        starts: the clause begins with a move, so that it needs no subject.
    """

    moves: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    starts: bool = False


def camera_moves(clause: str) -> Said:
    """The camera moves that a clause names.

    Args:
        clause: about the camera, without other clauses; parts joined by "then", "and", "while".
    """
    said = Said(starts=bool(_OPENING.match(clause)))
    if _SHAKY.search(clause):
        said.moves.append(("then", "shaky"))
    join, begin, previous = "then", 0, ""
    borders = [*_PARTS.finditer(clause), None]
    for border in borders:
        part = clause[begin : border.start() if border else len(clause)][:_LONGEST]
        move, notes = _move(part, previous)
        if move and move not in [m for _, m in said.moves]:
            said.moves.append((join, move))
            said.notes += notes
            previous = move
        if border:
            join, begin = ("then" if border["then"] else "with"), border.end()
    if not said.moves:
        said.starts = False
    return said


def _move(part: str, previous: str) -> tuple[str, list[str]]:
    """One move in the camera language, "" for none, and notes."""
    for pattern, name in _COMPILED:
        found = pattern.search(part)
        if not found:
            continue
        if name == "follow" and previous.startswith("follow"):
            return "", []
        move = name.format(**{key: _last(pattern, found.group()) for key, pattern in _SLOTS.items()})
        notes = []
        if move == "arc left" and not re.search(r"\bleft\b", part, re.IGNORECASE):
            notes.append(f"{part.strip()!r} says no direction; the camera circles to its left")
        verb = move.split()[0]
        unit = _UNITS.get(verb, "m")
        amount = _amount(part, unit, verb)
        seconds = _SECONDS.search(part)
        notes += [
            f"{other!r} is no amount for a {verb}, and is left out" for other in _other_amounts(part, unit)
        ]
        if verb == "follow" and len(move.split()) > 1 and move.split()[1] in ("pan", "tilt"):
            amount = ""
        said_speed = "slow " if _SLOW.search(part) else "fast " if _FAST.search(part) else ""
        if verb in ("hold", "follow"):
            said_speed = ""
        return (
            said_speed
            + move
            + amount
            + (f" over {_number(seconds)}s" if seconds else "")
            + (" ease" if _SMOOTH.search(part) and verb != "hold" else "")
        ), notes
    return "", []


def _last(pattern: str, text: str) -> str:
    """The last word of that kind; "counter clockwise" as one word."""
    found = re.findall(rf"{pattern}", text, re.IGNORECASE)
    return re.sub(r"[\s-]", "", found[-1].lower()) if found else ""


def _amount(part: str, unit: str | None, verb: str) -> str:
    """ " 60deg" for "by sixty degrees", where the move takes that unit."""
    if unit is None:
        return ""
    for written, pattern in _AMOUNTS:
        found = pattern.search(part)
        if found and (written == unit or (written == "cm" and unit == "m")):
            return f" {_number(found)}{written}"
    if verb == "arc":
        for pattern, degrees in _TURNS:
            if pattern.search(part):
                return f" {degrees}deg"
    return ""


def _other_amounts(part: str, unit: str | None) -> list[str]:
    """Amounts in units that the move does not take."""
    written = {"cm": "m"}
    found = [(written.get(kind, kind), pattern.search(part)) for kind, pattern in _AMOUNTS]
    return [match.group() for kind, match in found if match and kind != unit]


def _number(found: re.Match[str]) -> str:
    word = re.sub(r"\s+", " ", found["number"].lower())
    return (
        f"{_WORDS.get(word.replace('forty five', 'forty-five'), 0):g}"
        if word[0].isalpha()
        else word.replace(",", ".")
    )
