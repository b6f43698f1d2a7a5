"""Two processes make one video, by sharing out tokens or passes of guidance: what one process gives."""

import pytest
import torch
import torch.multiprocessing
from tests.video import animate_tiny, mosa_tiny, newer_tiny, parallel_ranks, published_tiny, tiny, vace_tiny

from kinema.papers.mosa import MoSAAdapter
from kinema.scene.formats import write_motion
from kinema.video.loading import load_pipeline

pytestmark = pytest.mark.xdist_group("parallel")  # one worker: both would start the processes else


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    made = {
        "wan": published_tiny.wan_pipeline(),
        "cogvideox": published_tiny.cogvideox_pipeline(),
        "cogvideox-i2v": published_tiny.cogvideox_pipeline(picture=True),
        "cogvideox15": newer_tiny.cogvideox15(),
        "fun": newer_tiny.cogvideox_fun(),
        "a14b": newer_tiny.wan22_a14b(),
        "5b": newer_tiny.wan22_5b(),
        "vace": vace_tiny.pipeline(),
        "animate": animate_tiny.pipeline(),
        "mosa": published_tiny.wan_pipeline(),
    }
    for name, pipeline in made.items():
        pipeline.save_pretrained(folder / name)
    tiny.awake(tiny.adapter()).save_pretrained(folder / "wan" / "tokenmotion")
    adapter = MoSAAdapter.for_transformer(made["mosa"].transformer, control_width=8)
    mosa_tiny.awake(adapter).save_pretrained(folder / "mosa" / "mosa")
    write_motion(folder / "walk.bvh", tiny.walking())
    torch.multiprocessing.spawn(parallel_ranks.run, (str(folder),), nprocs=parallel_ranks.RANKS)
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(parallel_ranks.RANKS)]


@pytest.mark.parametrize("check", [check.__name__ for check in parallel_ranks.CHECKS])
def test_two_ranks_give_what_one_process_gives(check, reports):
    for report in reports:
        assert not report[check], report[check]


def test_alone_there_is_nobody_to_share_with():
    with pytest.raises(ValueError, match="this one is alone: start it with `torchrun --nproc_per_node=2"):
        load_pipeline(parallel="auto")
