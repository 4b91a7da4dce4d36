"""Work done by threads: in order, a bounded number of things ahead, and no thread left behind by an error."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from gazeworld.envs.threads import ahead, every


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_results_come_in_the_order_of_things() -> None:
    def late(i: int) -> int:
        time.sleep(0.002 * (i % 3 == 0))
        return i * i

    expected = [i * i for i in range(40)]
    assert list(ahead(late, range(40), 4)) == every(late, range(40), 4) == every(late, range(40), 1) == expected
    assert every(late, [], 4) == []


def test_it_is_never_further_ahead_than_asked() -> None:
    begun: list[int] = []
    with closing(ahead(begun.append, range(100), 1, 2)) as found:
        for taken, _ in enumerate(found):
            time.sleep(0.001)
            assert len(begun) <= taken + 3
    assert begun == list(range(100))


def test_one_thread_is_that_of_the_caller() -> None:
    assert every(lambda _: threading.current_thread(), range(3), 1) == [threading.current_thread()] * 3


@pytest.mark.parametrize("threads", [1, 4])
def test_the_first_error_in_the_order_of_things_is_raised_and_what_has_not_begun_is_dropped(threads: int) -> None:
    begun: list[int] = []

    def work(i: int) -> int:
        begun.append(i)
        time.sleep(0.01 * (i == 3))
        if i in (3, 4):
            raise ValueError(f"thing {i}")
        return i

    with pytest.raises(ValueError, match="thing 3"):
        every(work, range(1000), threads)
    assert len(begun) < 100


def test_things_are_fetched_by_the_caller_and_leaving_early_ends_the_work() -> None:
    fetched: list[threading.Thread] = []

    def things() -> Iterator[int]:
        for i in range(1000):
            fetched.append(threading.current_thread())
            yield i

    with closing(ahead(str, things(), 2)) as found:
        assert next(found) == "0"
    assert len(fetched) < 10
    assert set(fetched) == {threading.current_thread()}


def test_an_interruption_between_two_results_leaves_no_thread() -> None:
    def interrupted() -> None:
        with closing(ahead(str, range(1000), 2)) as found:
            next(found)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
