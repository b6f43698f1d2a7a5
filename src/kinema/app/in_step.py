"""One command in several processes: the first runs it, and the others load and make what it tells them to.

So a scene is read, a file written and a line said once, and no command has to know about the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import diffusers
import torch
import torch.distributed as dist
import transformers

from kinema.app.console import USER_ERRORS, describe
from kinema.app.model_cache import ModelCache
from kinema.video.loading import in_our_loop, load_pipeline
from kinema.video.parallel import join
from kinema.video.pipeline import KinemaOutput, KinemaPipeline

_AUTO = "auto"
_CPU = torch.device("cpu")


@contextmanager
def leading(parallel: str | None) -> Iterator[ModelCache]:
    """Models that all processes load, and that work in all of them; for the first process.

    Args:
        parallel: how, see `kinema.video.parallel`; auto where None.

    Raises:
        ValueError: see `join`.
    """
    join(parallel or _AUTO)
    cache = _LedModels()
    try:
        yield cache
    finally:
        if not cache.is_working:  # who is in the middle of a step is ended with this process
            _say(None)


def follow() -> None:
    """Does what the first process says, until it ends.

    Raises:
        ValueError: see `join`.
    """
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()  # the first process shows how far all are
    join(_AUTO)
    pipeline: KinemaPipeline | None = None
    while (said := _say()) is not None:
        form, asked = said
        if form is None:
            pipeline = None
            pipeline = _loaded(asked)  # where it cannot be, the first process says why, and ends
        else:
            assert pipeline is not None
            pipeline.video_model.form = form
            KinemaPipeline.__call__(pipeline, **asked)


class _LedPipeline(KinemaPipeline):
    """A pipeline of the first process, whose calls the others make too."""

    is_working: bool = False

    def __call__(self, *, progress: Any = None, **asked: Any) -> KinemaOutput:  # type: ignore[override]
        _say((self.video_format, asked))
        self.is_working = True
        made = super().__call__(progress=progress, **asked)
        self.is_working = False
        return made


class _LedModels(ModelCache):
    """Loads pipelines in all processes."""

    def __init__(self) -> None:
        super().__init__()
        self._last: _LedPipeline | None = None

    @property
    def is_working(self) -> bool:
        return self._last is not None and self._last.is_working

    def load(self, **asked: Any) -> KinemaPipeline:
        asked = {**asked, "parallel": asked["parallel"] or _AUTO}
        _say((None, asked))
        pipeline = _loaded(asked)
        assert pipeline is not None
        pipeline.__class__ = _LedPipeline
        self._last = pipeline  # type: ignore[assignment]  # is one now
        return pipeline


def _loaded(asked: dict[str, Any]) -> KinemaPipeline | None:
    """The pipeline of this process; None in a follower where some process could not load it.

    Raises:
        ValueError, OSError, ModuleNotFoundError: what stopped one of the processes, in the first one.
    """
    pipeline, failed = None, None
    try:
        pipeline = in_our_loop(load_pipeline(**asked))
        pipeline.set_progress_bar_config(disable=True)
    except USER_ERRORS as error:
        failed = error
    reasons: list[str | None] = [None] * dist.get_world_size()
    dist.all_gather_object(reasons, None if failed is None else describe(failed))
    wrong = [(number, why) for number, why in enumerate(reasons) if why is not None]
    if not wrong:
        return pipeline
    if dist.get_rank() > 0:
        return None
    if failed is not None:
        raise failed
    raise ValueError(f"process {wrong[0][0]}: {wrong[0][1]}")


def _say(what: Any = None) -> Any:
    """What the first process says, in all of them."""
    said = [what]
    dist.broadcast_object_list(said, src=0, device=_CPU)
    return said[0]
