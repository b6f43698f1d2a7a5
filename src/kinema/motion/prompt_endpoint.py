"""A full prompt split by a language model behind an OpenAI-compatible endpoint, its answer checked like any input.

Nothing is sent anywhere unless a user names an address.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from kinema.motion.prompt import SplitPrompt, split_prompt
from kinema.scene.camera_language import CameraLanguageError, parse_camera

_MAX_ANSWER = 1 << 20  # bytes (ours)
_MAX_PART = 1000  # characters of a part
_TASK = """\
Split the user's prompt for a video into what the people do and what the camera does.
Answer with one JSON object and nothing else: {"motion": "...", "camera": "..." or null}.
"motion" says who moves and how, in the prompt's own words: people, actions, manner, direction, body parts, order and \
durations, and objects or places only where the motion needs them (sits on a chair, walks up the stairs). Leave out the \
camera, clothes and looks, background, place, weather, time of day and style. "camera" is in this language, or null \
where the prompt says nothing of the camera:
steps joined by "then", moves at the same time joined by "with"; a move is one of
dolly in|out [N m], truck left|right [N m], pedestal up|down [N m], crane up|down [N m], pan left|right [N deg],
tilt up|down [N deg], roll cw|ccw [N deg], arc left|right [N deg], zoom in|out [N x], dolly-zoom in|out, hold,
follow, follow lead, follow tail, follow side left|right, follow aerial, follow pan;
after a move: "over N s", "ease"; before it: "slow", "fast"; "shaky" first for a handheld camera.
Example: "a woman in a red coat walks along a beach at sunset, the camera orbits left 60 degrees, cinematic" is
{"motion": "a woman walks", "camera": "arc left 60deg"}"""


class EndpointError(ValueError):
    """The endpoint gave no usable answer; the message says why."""


@dataclass(frozen=True)
class Endpoint:
    """Where a language model answers.

    Args:
        url: base address, for example http://localhost:8000/v1; `/chat/completions` is added.
        model: the model's name there.
        key: sent as a bearer token where given.
        timeout: seconds to wait for the answer.

    Raises:
        ValueError: not an http(s) address, or no time to answer.
    """

    url: str
    model: str
    key: str | None = None
    timeout: float = 20.0

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).netloc:
            raise ValueError(
                f"the endpoint {self.url!r} is no http address, such as http://localhost:8000/v1"
            )
        if not 0 < self.timeout <= 600:
            raise ValueError(f"a timeout of {self.timeout:g} s; give above 0 and at most 600")

    def split(self, prompt: str) -> SplitPrompt:
        """The prompt as the model splits it.

        Raises:
            EndpointError: no answer in time, or one that is not as asked for.
        """
        messages = [{"role": "system", "content": _TASK}, {"role": "user", "content": prompt}]
        content = self.ask(messages, response_format={"type": "json_object"})
        return replace(_checked(content), appearance=prompt.strip())

    def ask(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> str:
        """What the model answers.

        Args:
            messages: as the chat completions of OpenAI have them.
            options: further fields of the request.

        Raises:
            EndpointError: no answer in time, or none with a text.
        """
        answer = self._post({"model": self.model, "temperature": 0, "messages": list(messages), **options})
        try:
            content = answer["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            raise EndpointError("its answer has no choices[0].message.content") from None
        if not isinstance(content, str):
            raise EndpointError("its answer is no text")
        return content

    def _post(self, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        address = f"{self.url.rstrip('/')}/chat/completions"
        request = urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                data = response.read(_MAX_ANSWER + 1)
        except urllib.error.HTTPError as error:
            raise EndpointError(f"it answered {error.code} {error.reason}") from None
        except TimeoutError:
            raise EndpointError(f"it did not answer within {self.timeout:g} s") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            late = isinstance(reason, TimeoutError)
            raise EndpointError(
                f"it did not answer within {self.timeout:g} s" if late else f"it cannot be reached ({reason})"
            ) from None
        if len(data) > _MAX_ANSWER:
            raise EndpointError(f"its answer is longer than {_MAX_ANSWER} bytes")
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise EndpointError("its answer is not JSON") from None


def split_with(
    endpoint: Endpoint | None, prompt: str, say: Callable[[str], None] = lambda line: None
) -> SplitPrompt:
    """The prompt split by the endpoint, or by rules where there is none or it fails.

    Args:
        endpoint: may be None.
        prompt: in full.
        say: told in one line why the rules were used instead of the endpoint.
    """
    if endpoint is not None:
        try:
            return endpoint.split(prompt)
        except EndpointError as error:
            say(f"{endpoint.url}: {error}; the prompt is split by rules")
    return split_prompt(prompt)


def _checked(content: object) -> SplitPrompt:
    """The model's answer, if it is the JSON object that was asked for and its camera can be read."""
    try:
        parts = json.loads(content) if isinstance(content, str) else None
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, dict) or set(parts) != {"motion", "camera"}:
        raise EndpointError('its answer is not one JSON object with "motion" and "camera"')
    motion, camera = parts["motion"], parts["camera"]
    if not isinstance(motion, str) or len(motion) > _MAX_PART:
        raise EndpointError(f'"motion" is not a text of at most {_MAX_PART} characters')
    if camera is not None:
        if not isinstance(camera, str) or len(camera) > _MAX_PART:
            raise EndpointError(f'"camera" is neither null nor a text of at most {_MAX_PART} characters')
        try:
            parse_camera(camera)
        except (CameraLanguageError, ValueError) as error:
            raise EndpointError(
                f"its camera {camera[:60]!r} cannot be read ({str(error).splitlines()[0]})"
            ) from None
    return SplitPrompt(motion.strip(), camera)
