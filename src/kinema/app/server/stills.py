"""Single pictures of finished scenes, filmed on the stage inside the server while somebody scrubs."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

_KEPT = 8  # scenes
_PICTURES = 256  # of actors
MAX_SIDE = 768


class Stills:
    """Films one picture at a time; scenes looked at lately stay open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scenes: OrderedDict[Path, object] = OrderedDict()
        self._actors: OrderedDict[int, bytes] = OrderedDict()

    def png(
        self,
        path: Path,
        actors: list[int],
        moment: float,
        size: tuple[int, int],
        person: int | None = None,
    ) -> bytes:
        """A moment of a scene file, seen by its camera, as PNG.

        Args:
            path: a scene with a camera.
            actors: a seed for each person.
            moment: seconds.
            size: (width, height), sides up to MAX_SIDE.
            person: who is seen alone, as a take of them shows them; everybody where None.
        """
        from PIL import Image

        from kinema.app.server.stage_film import still
        from kinema.scene import Scene

        with self._lock:
            scene = self._scenes.pop(path, None) or Scene.load(path)
            assert isinstance(scene, Scene)
            self._scenes[path] = scene
            while len(self._scenes) > _KEPT:
                self._scenes.popitem(last=False)
            if person is not None:
                scene, actors = replace(scene, people=(scene.people[person],)), [actors[person]]
            picture = still(scene, actors, moment, size)
        content = io.BytesIO()
        Image.fromarray(picture).save(content, format="PNG")
        return content.getvalue()

    def actor(self, seed: int) -> bytes:
        """An actor standing in the studio, as PNG; the last ones are kept."""
        with self._lock:
            found = self._actors.pop(seed, None) or _actor(seed)
            self._actors[seed] = found
            while len(self._actors) > _PICTURES:
                self._actors.popitem(last=False)
            return found


def _actor(seed: int) -> bytes:
    import numpy as np

    from kinema.app.filming import actor_picture
    from kinema.scene import Motion, Scene
    from kinema.scene.camera_language import camera_path
    from kinema.scene.skeleton import SMPL24

    person = Motion(np.array(SMPL24.rest)[None], 1.0, SMPL24)
    camera = camera_path("static", size=(192, 256), fps=1.0, frames=1, subject=person)
    content = io.BytesIO()
    actor_picture(Scene((person,), camera, 1.0), seed).save(content, format="PNG")
    return content.getvalue()
