"""Makes what the studio shows before its server has made anything: `python studio/first_sight.py`.

Writes public/first: the scene of an empty document (`newDocument` in src/document.ts) as the worker makes it, with its
request and the skeleton, one picture of it through the camera, and one of its actor. Run it anew when the motion
weights, the stage or the default words change; tests/app/studio/test_first_sight.py tells when.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from kinema.app.server.config import ServerConfig
from kinema.app.server.making import Engine
from kinema.app.server.schemas import SceneRequest
from kinema.app.server.shelf import Shelf
from kinema.app.server.stills import Stills
from kinema.app.server.store import JobStore
from kinema.scene.skeleton import SMPL24

FOLDER = Path(__file__).parent / "public" / "first"
WORDS = "a person walks forward"
ACTOR = 3
SHOT = (288, 384)
"""(width, height) of the picture through the camera, as src/still.ts asks for it."""


def request() -> dict[str, Any]:
    """The scene of an empty document as the page sends it."""
    motion = {"blocks": [{"text": WORDS, "start": 0, "end": 4, "parts": ["whole_body"]}]}
    return {"title": "Untitled", "people": [{"name": "Person 1", "motion": motion, "actor": ACTOR}]}


def make(folder: Path) -> None:
    """Writes the files of the first sight into a folder."""
    asked = SceneRequest.model_validate(request()).model_dump(mode="json")
    with tempfile.TemporaryDirectory() as root:
        made = Path(root) / "made"
        made.mkdir()
        config = ServerConfig(root=Path(root))
        shelf = Shelf(config.root)
        store = JobStore(shelf.database)
        job = store.create("scene", asked)
        assert job is not None
        Engine(config, store, shelf, "cpu").make(job, made, lambda share, stage: None)
        scene = json.loads((made / "scene.json").read_text())
        stills = Stills()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "shot.png").write_bytes(stills.png(made / "scene.npz", [ACTOR], 0.0, SHOT))
        (folder / "actor.png").write_bytes(stills.actor(ACTOR))
    first = {"request": request(), "parents": list(SMPL24.parents), "scene": scene}
    (folder / "scene.json").write_text(json.dumps(first) + "\n")


if __name__ == "__main__":
    make(FOLDER)
