"""From words to a camera program, with errors that point at the word.

Grammar, in any case of letters:
    program = step { "then" step };  step = move { "with" move }
    move    = { modifier } verb [direction] { amount | ["over" | "for"] seconds | modifier }
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kinema.scene import camera_vocabulary as vocabulary
from kinema.scene.camera_program import MAX_MOVES, CameraProgram, Move, Step

MAX_TEXT = 4000

_TOKEN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)|[a-z]+(?:-[a-z]+)*:?|[°×;,+]")

# What may follow a complete move.
_AFTER_A_MOVE = {
    ",",
    *vocabulary.JOIN_WORDS,
    *vocabulary.TIME_WORDS,
    *vocabulary.CURVE_WORDS,
    *vocabulary.SPEED_WORDS,
    *vocabulary.SHAKE_WORDS,
}


class CameraLanguageError(ValueError):
    """A camera text that cannot be read.

    Attributes:
        text: the whole text.
        position: index of the first character that is wrong.
    """

    def __init__(self, message: str, text: str, position: int) -> None:
        self.text, self.position = text, position
        start = max(0, position - 60)
        line = " ".join(text[start : position + 60].splitlines())
        super().__init__(
            f"camera text, character {position + 1}: {message}\n  {line}\n  {' ' * (position - start)}^"
        )


@dataclass
class _Token:
    word: str
    position: int

    @property
    def number(self) -> bool:
        return self.word[-1].isdigit() or self.word[-1] == "."


@dataclass
class _Draft:
    """A move while it is being read."""

    token: _Token
    verb: str = ""
    direction: str | None = None
    amount: float | None = None
    seconds: float | None = None
    curve: str | None = None
    speed: str | None = None
    curve_is_last: bool = field(default=False)

    def move(self, default_curve: str) -> Move:
        curve = "linear" if self.verb == "hold" else self.curve or default_curve
        return Move(self.verb, self.direction, self.amount, self.seconds, curve, self.speed)


def parse_camera(text: str) -> CameraProgram:
    """Read a camera text such as "arc left 60deg with pedestal up 0.3m then hold 1s ease".

    A speed curve at the very end of the text holds for every move that does not have its own.

    Raises:
        CameraLanguageError: saying where, what was expected, and the nearest known word.
    """
    return _Parser(text).program()


class _Parser:
    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a camera text must be a string, got {type(text).__name__}")
        if len(text) > MAX_TEXT:
            raise ValueError(f"the camera text has {len(text)} characters; at most {MAX_TEXT} are read")
        self.text = text
        self.tokens = self._tokens()
        self.index = 0
        self.shaky: bool | None = None

    def _tokens(self) -> list[_Token]:
        tokens, position, lower = [], 0, self.text.lower()
        if len(lower) != len(self.text):  # a few letters grow when lowered; positions would be off
            lower = self.text
        while position < len(lower):
            if lower[position].isspace():
                position += 1
                continue
            match = _TOKEN.match(lower, position)
            if match is None:
                raise CameraLanguageError(
                    f"{self.text[position]!r} is not part of a word, number or unit", self.text, position
                )
            tokens.append(_Token(match[0], position))
            position = match.end()
        return tokens

    def program(self) -> CameraProgram:
        steps: list[list[_Draft]] = [[]]
        while True:
            steps[-1].append(self._move())
            if sum(map(len, steps)) > MAX_MOVES:
                raise self._error(f"there are more than {MAX_MOVES} moves", steps[-1][-1].token)
            join = self._join()
            if join is None:
                break
            if join == "then":
                steps.append([])
        last = steps[-1][-1]
        default = last.curve if last.curve_is_last and last.curve else "linear"
        for step in steps:
            for draft in step:
                if draft.verb == "hold" and draft.curve and not (draft is last and last.curve_is_last):
                    raise self._error("hold has no speed curve", draft.token)
        return CameraProgram(tuple(self._step(step, default) for step in steps), bool(self.shaky))

    def _step(self, drafts: Sequence[_Draft], default_curve: str) -> Step:
        moves = []
        for draft in drafts:
            try:
                moves.append(draft.move(default_curve))
            except ValueError as error:
                raise self._error(str(error), draft.token) from None
        try:
            return Step(tuple(moves))
        except ValueError as error:
            raise self._error(str(error), drafts[-1].token) from None

    def _join(self) -> str | None:
        """The word between two moves, or None at the end of the text."""
        comma = self._take(",")
        token = self._peek()
        if token is None:
            if comma is not None:
                raise self._error('expected "then" or "with" after the comma', comma)
            return None
        if token.word not in vocabulary.JOIN_WORDS:
            raise self._error(
                'expected "then", "with", an amount, or the end', token, sorted(vocabulary.known_words())
            )
        self.index += 1
        return vocabulary.JOIN_WORDS[token.word]

    def _move(self) -> _Draft:
        draft = _Draft(self._expect_more("a move"))
        while self._modifier(draft):
            pass
        draft.token = self._expect_more("a move")
        motionctrl = self._take("motionctrl:") is not None
        draft.token = self._expect_more("a move")
        self._verb(draft, motionctrl)
        while self._amount(draft) or self._modifier(draft):
            pass
        return draft

    def _verb(self, draft: _Draft, motionctrl: bool) -> None:
        if motionctrl:
            self._motionctrl(draft)
            return
        words = tuple(token.word for token in self.tokens[self.index : self.index + 2])
        for count in (2, 1):
            replacement = vocabulary.SYNONYMS.get(words[:count])
            if replacement is not None and len(words) >= count:
                self.index += count
                draft.verb = replacement[0]
                draft.direction = replacement[1] if len(replacement) > 1 else None
                break
        else:
            if words[0] not in vocabulary.VERBS:
                names = [name for name in vocabulary.VERBS if " " not in name]
                raise self._error(
                    f"expected a move ({', '.join(names)})", draft.token, vocabulary.known_words()
                )
            self.index += 1
            draft.verb = words[0]
        if draft.verb == "follow":
            self._follow_shot(draft)
        if draft.direction is None:
            draft.direction = self._direction(draft.verb)

    def _follow_shot(self, draft: _Draft) -> None:
        token = self._peek()
        if token is None or token.number or token.word in _AFTER_A_MOVE:
            return
        if token.word not in vocabulary.FOLLOWS:
            names = vocabulary.FOLLOWS
            raise self._error(f"expected a follow shot ({', '.join(names)}) or nothing", token, names)
        draft.verb = f"follow {token.word}"
        self.index += 1

    def _motionctrl(self, draft: _Draft) -> None:
        token = self._expect_more("a MotionCtrl move")
        turn = vocabulary.TURNS.get(token.word, token.word)
        if turn in ("cw", "ccw"):
            self.index += 1
            draft.verb, draft.direction = "roll", turn
            return
        names = sorted({verb for verb, _ in vocabulary.MOTIONCTRL})
        if token.word not in names:
            raise self._error(f"expected a MotionCtrl move ({', '.join(names)}, cw, acw)", token, names)
        self.index += 1
        choices = [d for verb, d in vocabulary.MOTIONCTRL if verb == token.word]
        direction = self._expect_more(f"a direction for motionctrl:{token.word} ({', '.join(choices)})")
        word = vocabulary.TURNS.get(direction.word, direction.word)
        if word not in choices:
            raise self._error(f"expected one of {', '.join(choices)}", direction, choices)
        self.index += 1
        draft.verb, draft.direction = vocabulary.MOTIONCTRL[token.word, word]

    def _direction(self, verb_name: str) -> str | None:
        verb = vocabulary.VERBS[verb_name]
        if not verb.directions:
            return None
        synonyms = vocabulary.DIRECTION_SYNONYMS.get(verb_name, {})
        choices = [*verb.directions, *synonyms]
        token = self._peek()
        if token is not None:
            word = vocabulary.TURNS.get(token.word, token.word)
            if word in choices:
                self.index += 1
                return synonyms.get(word, word)
        if not verb.required:
            return verb.directions[0]
        expected = f"expected a direction for {verb_name} ({' or '.join(verb.directions)})"
        if token is None:
            raise self._error(expected)
        raise self._error(expected, token, choices)

    def _amount(self, draft: _Draft) -> bool:
        """Read an amount or a duration; False where there is none."""
        token = self._peek()
        if token is None or not (token.number or token.word in vocabulary.TIME_WORDS):
            return False
        time_word = token.word if token.word in vocabulary.TIME_WORDS else None
        if time_word:
            self.index += 1
            token = self._expect_more(f'a duration after "{time_word}", such as 2s')
            if not token.number:
                raise self._error(f'expected a duration after "{time_word}", such as 2s', token)
        self.index += 1
        own = vocabulary.VERBS[draft.verb].unit
        wanted = [vocabulary.UNIT_NAMES[unit] for unit in (None if time_word else own, "s") if unit]
        unit_token = self._expect_more(f"a unit after {token.word}: {' or '.join(wanted)}")
        unit, scale = vocabulary.UNITS.get(unit_token.word, ("", 0.0))
        if not unit:
            raise self._error(
                f"expected a unit after {token.word}: {' or '.join(wanted)}", unit_token, vocabulary.UNITS
            )
        if unit != "s" and (unit != own or time_word):
            raise self._error(
                f"{draft.verb} is not measured in {unit_token.word}; it takes {' or '.join(wanted)}", token
            )
        self.index += 1
        value = float(token.word) * scale
        name = "seconds" if unit == "s" else "amount"
        if getattr(draft, name) is not None:
            raise self._error(f"a second {'duration' if unit == 's' else 'amount'} for the same move", token)
        setattr(draft, name, value)
        try:
            Move(draft.verb, draft.direction, draft.amount, draft.seconds)
        except ValueError as error:
            raise self._error(str(error), token) from None
        draft.curve_is_last = False
        return True

    def _modifier(self, draft: _Draft) -> bool:
        """Read a speed curve, slow or fast, shaky or stable; False where there is none."""
        token = self._peek()
        if token is None:
            return False
        if token.word in vocabulary.SHAKE_WORDS:
            shaky = vocabulary.SHAKE_WORDS[token.word]
            if self.shaky is not None and self.shaky != shaky:
                raise self._error("the camera cannot be both shaky and stable", token)
            self.shaky = shaky
        elif token.word in vocabulary.CURVE_WORDS:
            if draft.curve is not None:
                raise self._error("a second speed curve for the same move", token)
            draft.curve = vocabulary.CURVE_WORDS[token.word]
            draft.curve_is_last = bool(draft.verb)
        elif token.word in vocabulary.SPEED_WORDS:
            if draft.speed is not None:
                raise self._error("a second speed for the same move", token)
            draft.speed = vocabulary.SPEED_WORDS[token.word]
        else:
            return False
        self.index += 1
        return True

    def _peek(self) -> _Token | None:
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    def _take(self, word: str) -> _Token | None:
        token = self._peek()
        if token is None or token.word != word:
            return None
        self.index += 1
        return token

    def _expect_more(self, expected: str) -> _Token:
        token = self._peek()
        if token is None:
            raise self._error(
                f"the text ends where {expected} should follow"
                if self.text.strip()
                else f"the text is empty; expected {expected}"
            )
        return token

    def _error(
        self, message: str, token: _Token | None = None, words: Iterable[str] = ()
    ) -> CameraLanguageError:
        position = token.position if token is not None else len(self.text)
        if token is not None:
            found = self.text[position : position + len(token.word)]
            message = f'{message}, found "{found}"' if message.startswith("expected") else message
            near = difflib.get_close_matches(token.word, list(words), n=1, cutoff=0.6)
            if near and near[0] != token.word:
                message += f'; did you mean "{near[0]}"?'
        return CameraLanguageError(message, self.text, position)
