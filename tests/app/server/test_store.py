import sqlite3
import threading
from contextlib import closing

import pytest

from kinema.app.server.disk import BUSY, FULL, trouble
from kinema.app.server.store import LANES, JobStore, StoredFile


@pytest.fixture
def store(tmp_path) -> JobStore:
    return JobStore(tmp_path / "jobs.sqlite")


def test_a_job_goes_from_the_queue_to_its_end(store):
    job = store.create("video", {"prompt": "a person walks"})
    assert (job.state, job.progress, job.id[:6]) == ("queued", 0, "video_")
    claimed = store.claim("cpu")
    assert (claimed.id, claimed.state, claimed.worker) == (job.id, "in_progress", "cpu")
    assert store.report(claimed, 40, "sampling")
    assert (store.get(job.id).progress, store.get(job.id).stage) == (40, "sampling")
    assert store.complete(claimed, {"folder": "f", "files": {"a": 1}}, 1)
    done = store.get(job.id)
    assert (done.state, done.progress, done.result["folder"], done.bytes) == ("completed", 100, "f", 1)
    assert store.claim("cpu") is None


def test_an_earlier_claim_can_no_longer_write(store):
    """A worker that was thought dead comes back: its job is somebody else's by now."""
    store.create("motion", {})
    first = store.claim("cpu")
    assert store.requeue("cpu", crashed=False, attempts=3) == [first.id]
    second = store.claim("cpu")
    assert not store.report(first, 50, "late")
    assert not store.complete(first, {"folder": "old", "files": {}}, 1)
    assert not store.fail(first, "late", "late")
    assert store.complete(second, {"folder": "new", "files": {}}, 1)
    assert store.get(first.id).result["folder"] == "new"


def test_a_job_that_takes_down_every_worker_is_given_up(store):
    job = store.create("motion", {})
    for _ in range(2):
        store.claim("cpu")
        store.requeue("cpu", crashed=True, attempts=3)
        assert store.get(job.id).state == "queued"
    store.claim("cpu")
    store.requeue("cpu", crashed=True, attempts=3)
    failed = store.get(job.id)
    assert (failed.state, failed.error["code"]) == ("failed", "worker_crashed")


def test_a_job_that_took_its_worker_down_waits_behind_the_others(store):
    first, second = store.create("motion", {}), store.create("motion", {})
    assert store.claim("cpu").id == first.id
    store.requeue("cpu", crashed=True, attempts=3)
    assert (store.ahead_of(store.get(first.id)), store.ahead_of(second)) == (1, 0)
    assert store.claim("cpu").id == second.id


def test_a_video_waits_for_videos_alone_and_a_motion_for_motions_and_scenes(store):
    motion, video = store.create("motion", {}), store.create("video", {})
    scene, second = store.create("scene", {}), store.create("video", {})
    assert [store.ahead_of(job) for job in (motion, video, scene, second)] == [0, 0, 1, 1]


def test_a_server_that_ends_is_not_the_jobs_fault(store):
    job = store.create("motion", {})
    for _ in range(9):
        store.claim("cpu")
        store.requeue("cpu", crashed=False, attempts=3)
    assert store.get(job.id).state == "queued"


def test_each_lane_takes_its_kinds_in_order(store):
    film = store.create("video", {})
    first, second = store.create("motion", {}), store.create("scene", {})
    taken = [store.claim("a", LANES["motions"]) for _ in range(3)]
    assert [job and job.id for job in taken] == [first.id, second.id, None]
    assert store.claim("b", LANES["films"]).id == film.id


def test_a_worker_puts_back_what_earlier_servers_left_in_its_place(store):
    left = store.create("motion", {})
    store.claim("old.motions.cpu")
    assert store.requeue("new.motions.cpu", crashed=True, attempts=3) == []
    assert store.requeue(".films.cpu", crashed=False, attempts=3) == []
    assert store.requeue(".motions.cpu", crashed=False, attempts=3) == [left.id]


def test_what_was_given_back_waits_behind_the_others_and_is_no_crash(store):
    first, second = store.create("motion", {}), store.create("motion", {})
    claimed = store.claim("cpu")
    assert store.give_back(claimed)
    assert not store.complete(claimed, {"folder": "late", "files": {}}, 1)
    assert (store.get(first.id).state, store.get(first.id).crashes) == ("queued", 0)
    assert store.claim("cpu").id == second.id


def test_a_full_disk_leaves_no_transaction_open(store):
    """Where COMMIT fails, the next write must find a connection that works."""
    job = store.create("motion", {})
    store._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(sqlite3.OperationalError, match="full") as full:
        store.create("motion", {"text": "x" * 500_000})
    assert trouble(full.value) is FULL
    store._connection.execute("PRAGMA max_page_count = 1000000")
    assert store.claim("cpu").id == job.id


def test_a_database_that_is_held_is_trouble_for_a_while_only(tmp_path):
    store = JobStore(tmp_path / "jobs.sqlite", patience=0.1)
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        for write in (lambda: store.create("motion", {}), store.touch):
            with pytest.raises(sqlite3.OperationalError) as held:
                write()
            assert trouble(held.value) is BUSY
        other.rollback()
    assert store.create("motion", {}) is not None


def test_a_damaged_row_takes_no_list_down(store):
    good, bad, half = (store.create("scene", {"title": title}) for title in ("a", "b", "\ud800"))
    store.complete(store.claim("cpu"), {"folder": "good", "files": {}}, 1)
    store.complete(store.claim("cpu"), {"folder": "bad", "files": {}}, 1)
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("UPDATE jobs SET request = '{', result = '[' WHERE id = ?", (bad.id,))
        other.commit()
    jobs, _ = store.page("scene", 10)
    assert [job.id for job in jobs] == [half.id, bad.id, good.id]
    assert (jobs[1].state, jobs[1].error["code"], jobs[0].request["title"]) == ("failed", "damaged", "?")
    assert store.folders() == {"good"}


def test_no_two_workers_get_the_same_job(store):
    asked = {store.create("motion", {"number": n}).id for n in range(40)}
    got: list[str] = []

    def take(worker: str) -> None:
        while (job := store.claim(worker)) is not None:
            got.append(job.id)

    threads = [threading.Thread(target=take, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(asked)


def test_an_edit_takes_the_job_from_its_worker_and_keeps_the_last_result(store):
    job = store.create("scene", {"title": "one"})
    store.complete(store.claim("cpu"), {"folder": "one", "files": {}}, 1)
    store.revise(job.id, {"title": "two"}, revision=1)
    working = store.claim("cpu")
    edited = store.revise(job.id, {"title": "three"}, revision=2)
    assert (edited.revision, edited.state, edited.result["folder"]) == (3, "queued", "one")
    assert not store.complete(working, {"folder": "two", "files": {}}, 1)
    assert store.revise(job.id, {"title": "late"}, revision=2) is None
    assert store.get(job.id).request == {"title": "three"}


def test_the_queue_has_an_end(store):
    assert store.create("motion", {}, most_waiting=1) is not None
    assert store.create("motion", {}, most_waiting=1) is None
    store.claim("cpu")
    assert store.create("motion", {}, most_waiting=1) is not None


def test_pages_neither_repeat_nor_skip(store):
    made = [store.create("video", {}).id for _ in range(7)]
    store.create("motion", {})
    seen, after, more = [], None, True
    while more:
        jobs, more = store.page("video", 3, after)
        seen += [job.id for job in jobs]
        after = jobs[-1].id
        store.create("video", {})  # what comes while somebody pages is newer, and not on later pages
    assert seen == made[::-1]
    oldest, _ = store.page("video", 2, made[0], newest_first=False)
    assert [job.id for job in oldest] == made[1:3]
    with pytest.raises(KeyError):
        store.page("video", 3, "video_none")


def test_a_deleted_job_cannot_be_completed(store):
    store.create("video", {})
    job = store.claim("cpu")
    assert store.delete(job.id).id == job.id
    assert not store.report(job, 1, "")
    assert not store.complete(job, {"folder": "", "files": {}}, 0)
    assert store.get(job.id) is None
    assert store.delete(job.id) is None


def test_what_is_written_is_there_for_another_process(store):
    job = store.create("video", {"prompt": "é\ud83d\ude00"})
    store.add_file(StoredFile("file_1", "picture", "a.png", 10, 0.0))
    other = JobStore(store.path)
    assert other.get(job.id) == job
    assert other.file("file_1").name == "a.png"
    assert other.bytes_used() == 10
