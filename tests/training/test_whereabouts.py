"""Who waits for whom is said by those who wait, and by the first process while a collective waits."""

from __future__ import annotations

import itertools
import logging
import threading
import time

import torch.distributed as dist

from kinema.training.whereabouts import Board, board, telling, wait


def test_whoever_waits_for_long_is_told_for_whom_and_what_they_do(caplog):
    store = dist.HashStore()
    boards = [Board(store, rank, 3, silence=0.1) for rank in range(3)]
    boards[2].doing("encodes its clip 17")
    passed = []

    def early(own):
        own.wait("encoding videos")
        passed.append(own.rank)

    threads = [threading.Thread(target=early, args=(each,)) for each in boards[:2]]
    with caplog.at_level(logging.WARNING, "kinema.training.whereabouts"):
        for thread in threads:
            thread.start()
        time.sleep(0.8)
        assert not passed
        boards[2].wait("encoding videos")
        for thread in threads:
            thread.join(10)
    assert sorted(passed) == [0, 1]
    said = [record.getMessage() for record in caplog.records]
    assert any(
        each.startswith("process 0 waits since") and "process 2 (encodes its clip 17, since" in each
        for each in said
    )
    assert not any("process 1 (" in each for each in said)


def test_waits_follow_each_other():
    store = dist.HashStore()
    passed = []

    def both(rank):
        own = Board(store, rank, 2)
        for number in range(20):
            own.wait(f"part {number}")
            passed.append(number)

    threads = [threading.Thread(target=both, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(passed) == 40
    assert all(abs(a - b) <= 1 for a, b in itertools.pairwise(passed))


def test_the_first_process_says_who_is_behind_while_others_wait_in_a_collective():
    store = dist.HashStore()
    boards = [Board(store, rank, 3, silence=0.05) for rank in range(3)]
    for own in boards[:2]:
        own.doing("has the batch of step 12", waits=True)
    boards[2].doing("reads the batch of step 12")
    assert boards[0].behind() is None
    time.sleep(0.1)
    told = boards[0].behind()
    assert told.startswith("2 of 3 processes wait: process 0 (has the batch of step 12, since")
    assert "waits for process 2 (reads the batch of step 12, since" in told


def test_alone_nothing_is_waited_for():
    assert board() is None
    wait("anything")
    assert list(telling([1, 2], "clip")) == [1, 2]
