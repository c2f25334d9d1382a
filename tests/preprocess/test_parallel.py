import threading
import time

import cv2
import pytest

from mer_jax.preprocess.parallel import in_order, one_cv2_thread


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_results_come_in_the_order_of_the_items(workers):
    def work(item):
        time.sleep(0.002 * (7 - item))  # the first take longest
        return item * item

    told = []
    progress = lambda done, total: told.append((done, total))
    results = in_order(work, range(8), workers=workers, progress=progress)
    assert list(results) == [i * i for i in range(8)]
    assert told == [(i + 1, 8) for i in range(8)]
    assert list(in_order(work, [])) == []


def test_few_items_are_in_flight_however_slow_the_reader():
    lock, begun, most = threading.Lock(), 0, 0

    def work(item):
        nonlocal begun
        with lock:
            begun += 1
        return item

    for taken, item in enumerate(in_order(work, range(40), workers=3)):
        assert item == taken
        time.sleep(0.002)  # the workers run ahead as far as they may
        with lock:
            most = max(most, begun - taken)
    assert most == 6 and begun == 40


def test_several_threads_work_at_once():
    together = threading.Barrier(3)
    work = lambda item: together.wait(timeout=10) is not None and item
    assert list(in_order(work, range(3), workers=3)) == [0, 1, 2]


def test_an_error_comes_at_its_turn_and_drops_the_rest():
    begun = []

    def work(item):
        begun.append(item)
        if item == 2:
            raise ValueError("clip 2")
        return item

    results, seen = in_order(work, range(50), workers=2), []
    with pytest.raises(ValueError, match="clip 2"):
        seen.extend(results)
    assert seen == [0, 1] and len(begun) <= 6
    assert not [t for t in threading.enumerate() if t.name.startswith("clip")]


def test_a_reader_may_stop_early():
    begun = []
    results = in_order(begun.append, range(50), workers=2)
    next(results)
    results.close()
    assert len(begun) <= 4
    assert not [t for t in threading.enumerate() if t.name.startswith("clip")]


def test_cv2_gets_its_threads_back_when_the_last_block_ends():
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        with one_cv2_thread():
            with one_cv2_thread():
                assert cv2.getNumThreads() == 1
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
