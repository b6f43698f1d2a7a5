"""Adapters on two processes: context parallelism and FSDP2. One pair of processes does all the checks."""

import pytest
import torch
import torch.multiprocessing
from tests.video import matrix_ranks
from tests.video.matrix_cases import every_cell


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(matrix_ranks.run, (str(folder),), nprocs=matrix_ranks.RANKS)
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(matrix_ranks.RANKS)]


@every_cell
@pytest.mark.parametrize("check", [check.__name__ for check in matrix_ranks.CHECKS])
def test_two_ranks_give_what_one_process_gives(check, adapter_name, family, reports):
    for report in reports:
        assert not report[check, adapter_name, family], report[check, adapter_name, family]
