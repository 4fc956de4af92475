import signal
import threading
import time

import pytest

from dpo_theory.rigor.limit import TimeLimit, time_limit, work_limit

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no SIGALRM on this system")


def stubborn():
    with time_limit(0.05):
        try:
            time.sleep(5)
        except Exception as error:
            raise AssertionError("swallowed") from error


def test_no_except_clause_of_the_code_that_is_stopped_swallows_it():
    with pytest.raises(TimeLimit, match=r"stopped after 0\.05 s"):
        stubborn()


def test_the_handler_before_is_put_back():
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(5):
        assert signal.getsignal(signal.SIGALRM) is not before
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_off_the_main_thread_it_does_nothing():
    ran = []

    def work():
        with time_limit(0.01):
            time.sleep(0.05)
            ran.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ran == [True]


def test_a_limit_on_work_does_not_count_waiting():
    with work_limit(0.05):
        time.sleep(0.2)


def test_a_limit_on_work_stops_work():
    with pytest.raises(TimeLimit, match="of work"), work_limit(0.05):
        all(k >= 0 for k in range(10**10))


def test_an_alarm_inside_a_finaliser_waits_for_the_next(monkeypatch):
    from dpo_theory.rigor import limit

    monkeypatch.setattr(limit, "AGAIN", 0.05)
    finished = []

    class Slow:
        def __del__(self):
            until = time.monotonic() + 0.1
            while time.monotonic() < until:
                pass
            finished.append(True)

    def drop_and_go_on():
        with time_limit(0.02):
            del [Slow()][0]
            while True:
                pass

    with pytest.raises(TimeLimit):
        drop_and_go_on()
    assert finished == [True]
