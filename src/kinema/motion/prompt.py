"""A full prompt as its motion part, its camera part and its appearance, by rules.

"a woman in a red coat walks forward, the camera orbits left 60 degrees"
-> motion "a woman walks forward" (`motion_words`), camera "arc left 60deg" in the camera language; the appearance is
the full prompt, as in MoSA (arXiv 2508.17404): motion model and video model read different texts.

What speaks of the camera and cannot be said in its language stays in the motion part, with a note.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kinema.motion.camera_phrases import MODIFIER, camera_moves
from kinema.motion.motion_words import motion_part
from kinema.scene.camera_language import CameraLanguageError, parse_camera
from kinema.scene.camera_program import MAX_MOVES

_NOUN = r"(?:camera|lens|cameraman|camerawoman|drone|point of view|viewpoint)"
_KIND = (
    r"(?:slow|slowly|fast|quick|smooth|steady|static|stationary|fixed|still|locked(?:-off)?|"
    r"hand-?held|shaky|moving|"
    r"tracking|following|flying|aerial|overhead|cinematic|virtual|single|continuous)"
)
_SUBJECT = rf"(?:(?:the|a|an|our|my|one)\s+)?(?:{_KIND}\s+){{0,2}}{_NOUN}\b"
_VIEW = (
    r"(?:seen|viewed|filmed|recorded|captured|shot|watched)\s+(?:slowly\s+)?(?:from|by|with|"
    r"through|in|on|as)\b"
)
_SHOT = (
    r"(?:(?:the|a|an|one)\s+)?(?:[\w'’-]+\s+){0,3}(?:shot|close-?up|close up|angle|"
    r"(?:bird|worm)['’]?s[- ]eye(?: view)?|top[- ]down(?: view)?|overhead view|aerial view|"
    r"(?:rear|side|back) view|"
    r"dolly[- ]zoom|vertigo effect|tracking|framing)\b"
)
_BARE = (
    rf"(?:(?:{MODIFIER})\s+)*+(?:a\s+)?(?:(?:{MODIFIER})\s+)*+(?:"
    r"(?:dolly|dollying|zoom|zooming|pan|panning|tilt|tilting|truck|trucking|pedestal|crane|"
    r"orbit|orbiting|arc|arcing)\s+"
    r"(?:slowly\s+|quickly\s+)?(?:in|out|left|right|up|down|forward|back|backwards?|cw|ccw|clockwise|"
    r"counter-?clockwise|around|to the)\b|"
    r"(?:push(?:ing)?[- ]in|pull(?:ing)?[- ](?:out|back)|hand-?held|static|locked-off|"
    r"dolly[- ]zoom|vertigo)\b)"
)
_AT = (
    r"(?:from\s+(?:a\s+)?(?:very\s+)?(?:high|low|bird['’]?s|worm['’]?s)[- ](?:angle|eye)|"
    r"in\s+(?:a\s+)?close-?up)"
)
_JOINER = r"(?:and|while|whilst|as|with|then|but|when|where|before|after which|meanwhile)"

_CAMERA_STARTS = re.compile(
    rf"^(?:(?:{_JOINER})\s+)*(?:the\s+scene\s+is\s+)?(?:{_SUBJECT}|camera\s*:|{_VIEW}|{_AT}|{_SHOT}|{_BARE})",
    re.IGNORECASE,
)
_SPACES = re.compile(r"\s\s+|[^\S\n ]")
_LABEL = re.compile(r"^\s*camera\s*:\s*", re.IGNORECASE)
_BORDERS = re.compile(
    rf"(?P<sign>\s*[,;!]+\s*|\s*\.(?=\s|$)\s*|\n+)|\s+(?=(?:{_JOINER}\s+){{1,3}}{_SUBJECT}\s+\w)|"
    rf"\s+(?=(?:{_VIEW}|{_AT}))|"
    rf"\s+(?=in\s+(?:a\s+)?(?:{_KIND}\s+)?(?:tracking|static|hand-?held|aerial|crane|dolly|"
    rf"orbit\w*|overhead)\s+shot)",
    re.IGNORECASE,
)
_PEOPLE = (
    r"(?:he|she|they|it|someone|somebody|(?:the|a|an|his|her|their|this|that|two|"
    r"three)\s+(?!camera|lens|drone)[\w'-]+)"
)
_BACK = re.compile(
    rf"\s*,?\s+(?:and|while|whilst|as|but|when|where|then)\s+(?:then\s+)?(?={_PEOPLE}\s+(?:\w+ly\s+)?"
    r"(?:is\s|are\s|\w+(?:s|es|ed)\b|walk|run|wave|dance|jump|turn|sit|stand))",
    re.IGNORECASE,
)
_OF_SOMEONE = re.compile(
    r"(?P<of>\s+of)\s+(?=(?:a|an|the|one|two|three|someone|people)\s)|"
    r"\b(?:follow|track|chas|circl|orbit|trail)\w*(?:\s+around)?\s+(?=(?:a|an|someone|"
    r"two)\s+(?:[\w'’-]+\s+){0,12}?\w+ing\b)",
    re.IGNORECASE,
)
_LEADING = re.compile(rf"^(?:(?:{_JOINER})\s+)+", re.IGNORECASE)
_TRAILING = re.compile(rf"[\s,;]+(?:{_JOINER})?$", re.IGNORECASE)
_BEFORE = 80  # characters that are looked at for what somebody holds (ours)
_HELD = re.compile(
    r"\b(?:hold|carr|us|rais|lift|drop|point|grab|pick|put)\w*\s+(?:\w+\s+){0,2}$", re.IGNORECASE
)


@dataclass(frozen=True)
class SplitPrompt:
    """A prompt in its parts.

    Args:
        motion: who does what and how, for the motion model.
        camera: in the camera language; None where nothing is said of it.
        notes: what was not understood or had to be guessed, for people.
        appearance: the full prompt, for the video model.
    """

    motion: str
    camera: str | None = None
    notes: tuple[str, ...] = ()
    appearance: str = ""


def split_prompt(prompt: str) -> SplitPrompt:
    """Takes the motion part and the camera part out of a prompt, by rules; the appearance is all of it.

    Clauses whose subject is the camera, names of shots ("tracking shot"), views ("seen from above") and bare moves
    ("zoom in") are the camera's; a camera that people hold or look at is not. A clause without a subject after a
    camera clause is the camera's if it names a move.

    Args:
        prompt: English.

    Returns:
        The parts; the camera part is accepted by `parse_camera`.
    """
    kept: list[tuple[str, str]] = []  # sign before the clause, clause
    program: list[tuple[str, str]] = []  # "then" or "with", move
    notes: list[str] = []
    speaks_of_camera = False
    for sign, clause in _clauses(_SPACES.sub(_space, prompt)):
        is_camera = bool(_CAMERA_STARTS.match(clause))
        said = camera_moves(_LEADING.sub("", clause)) if is_camera or speaks_of_camera else None
        if said is None or not (is_camera or said.starts):
            kept.append((sign, clause))
            speaks_of_camera = (
                speaks_of_camera and sign == " "
            )  # whom the camera follows; it goes on being spoken of
            continue
        speaks_of_camera = True
        label = _LABEL.match(clause)
        if label and _parses(clause[label.end() :]):
            program.append(("then", clause[label.end() :].strip()))
            continue
        accepted = _accepted(program, said.moves, clause)
        program += accepted
        notes += said.notes
        if len(accepted) < len(said.moves) or not said.moves:
            notes.append(f"{clause!r} is not in the camera language and stays in the text")
            kept.append((sign, clause))
    motion = motion_part(_joined(kept))
    if prompt.strip() and not motion:
        notes.append("the prompt speaks of the camera alone, and says nothing of what people do")
    camera = _written(program)
    return SplitPrompt(motion, camera or None, tuple(notes), prompt.strip())


def _clauses(prompt: str) -> list[tuple[str, str]]:
    """Clauses and the sign before each: cut at punctuation, before words of the camera, and back from them."""
    cut: list[tuple[str, str]] = []
    sign, begin = "", 0
    for border in _BORDERS.finditer(prompt):
        if border["sign"] is None and _HELD.search(prompt[max(0, border.end() - _BEFORE) : border.end()]):
            continue
        cut.append((sign, prompt[begin : border.start()].strip()))
        sign, begin = (border["sign"] or " ").strip() or " ", border.end()
    cut.append((sign, prompt[begin:].strip()))
    clauses: list[tuple[str, str]] = []
    for sign, clause in cut:
        back = _BACK.search(clause) if _CAMERA_STARTS.match(clause) else None
        if back:
            clauses += [(sign, clause[: back.start()].strip()), (",", clause[back.start() :].strip(" ,"))]
        else:
            clauses.append((sign, clause))
    return [part for sign, clause in clauses for part in _someone(sign, clause) if part[1]]


def _someone(sign: str, clause: str) -> list[tuple[str, str]]:
    """ "tracking shot of a man running" in two: the shot, and the man."""
    found = _OF_SOMEONE.search(clause) if _CAMERA_STARTS.match(clause) else None
    if not found:
        return [(sign, clause)]
    shot = clause[: found.start() if found["of"] else found.end()].strip()
    return [(sign, shot), (" of" if found["of"] else " ", clause[found.end() :].strip())]


def _accepted(
    program: list[tuple[str, str]], moves: list[tuple[str, str]], clause: str
) -> list[tuple[str, str]]:
    """The moves that the camera language takes after those before; what cannot happen at once follows."""
    taken: list[tuple[str, str]] = []
    if re.match(r"^(?:while|whilst|and|with|as)\b", clause, re.IGNORECASE) and moves and program:
        moves = [("with", moves[0][1]), *moves[1:]]
    for join, move in moves:
        if len(program) + len(taken) >= MAX_MOVES:
            break
        for attempt in (join, "then"):
            if _parses(_written([*program, *taken, (attempt, move)])):
                taken.append((attempt, move))
                break
    return taken


def _written(program: list[tuple[str, str]]) -> str:
    """Moves as one text; a shaky hand alone holds still, and holding beside other moves says nothing."""
    flags = [move for _, move in program if move in ("shaky", "stable")]
    moves = [(join, move) for join, move in program if move not in ("shaky", "stable")]
    if any(move != "hold" for _, move in moves):
        while moves and moves[0][1] == "hold":
            moves = moves[1:]
    elif moves:
        moves = moves[:1]
    if not moves and not flags:
        return ""
    text = "".join(move if not n else f" {join} {move}" for n, (join, move) in enumerate(moves)) or "hold"
    return f"shaky {text}" if "shaky" in flags else text


def _parses(text: str) -> bool:
    try:
        parse_camera(text)
    except (CameraLanguageError, ValueError):
        return False
    return True


def _joined(kept: list[tuple[str, str]]) -> str:
    """Clauses as a text again, without words that joined them to clauses that are gone."""
    text = ""
    for sign, clause in kept:
        if not text:
            text = re.sub(rf"^(?:{_JOINER}\s+)+(?=\w)", "", clause, flags=re.IGNORECASE)
        else:
            text += f"{sign.rstrip()} {clause}"
    text = re.sub(r"\s+", " ", text)
    while found := _TRAILING.search(text, max(0, len(text) - _BEFORE)):
        text = text[: found.start()]
    return text.strip(" ,;")


def _space(run: re.Match[str]) -> str:
    """One space for many, one line break for some of them: long runs would be tried at each of their places."""
    return "\n" if "\n" in run.group() else " "
