import threading

from tests.support.waiting import wait_until
from worker.pipeline.bounded_queue import BoundedQueue


def test_items_leave_in_the_order_in_which_they_came():
    queue = BoundedQueue(10)
    for item in range(9):
        queue.put(item)

    assert [queue.get() for _ in range(9)] == list(range(9))


def test_a_full_queue_lets_nobody_in_until_half_of_it_is_gone():
    queue = BoundedQueue(4)
    for item in range(4):
        queue.put(item)
    entered = threading.Event()
    threading.Thread(target=lambda: (queue.put("late"), entered.set()), daemon=True).start()

    queue.get()
    early = entered.wait(0.05)
    queue.get()

    assert not early
    assert entered.wait(5)
    assert [queue.get() for _ in range(3)] == [2, 3, "late"]


def test_a_queue_of_one_hands_items_on_one_by_one():
    queue = BoundedQueue(1)
    taken = []
    reader = threading.Thread(target=lambda: taken.extend(queue.get() for _ in range(5)))
    reader.start()

    for item in range(5):
        queue.put(item)
    reader.join(timeout=5)

    assert taken == list(range(5))


def test_many_writers_and_readers_lose_and_double_nothing():
    queue = BoundedQueue(8)
    taken = []

    def read():
        while (item := queue.get()) is not None:
            taken.append(item)

    readers = [threading.Thread(target=read) for _ in range(4)]
    writers = [
        threading.Thread(target=lambda n=n: [queue.put(n * 500 + i) for i in range(500)])
        for n in range(6)
    ]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join(timeout=10)
    for _ in readers:
        queue.put(None)
    for thread in readers:
        thread.join(timeout=10)

    wait_until(lambda: not any(thread.is_alive() for thread in (*readers, *writers)))
    assert sorted(taken) == list(range(3000))
