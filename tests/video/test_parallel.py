"""VACE and Wan-Animate on two processes, and the passes of guidance shared out: what one process gives."""

import pytest
import torch
import torch.multiprocessing
from tests.video import parallel_ranks, published_tiny, tiny


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    published_tiny.wan_pipeline().save_pretrained(folder / "wan")
    tiny.awake(tiny.adapter()).save_pretrained(folder / "wan" / "tokenmotion")
    torch.multiprocessing.spawn(parallel_ranks.run, (str(folder),), nprocs=parallel_ranks.RANKS)
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(parallel_ranks.RANKS)]


@pytest.mark.parametrize("check", [check.__name__ for check in parallel_ranks.CHECKS])
def test_two_ranks_give_what_one_process_gives(check, reports):
    for report in reports:
        assert not report[check], report[check]
