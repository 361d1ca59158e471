"""The supervisor with real children and real signals."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from producer.local_stack.child_log import ChildLog
from producer.local_stack.child_process import ChildProcess, ProcessSpec
from tests.support import supervisor_driver
from tests.support.waiting import wait_until

SLEEP = "import time\ntime.sleep(600)"
IGNORE_SIGTERM = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP

Starter = Callable[..., subprocess.Popen[str]]


def note(path: Path, word: str) -> str:
    """Python text that appends a word and the time to a file, whole."""
    return (
        f"import time; f = open({str(path)!r}, 'a'); "
        f"f.write({word!r} + ' ' + str(time.monotonic()) + '\\n'); f.close(); "
    )


def noting_its_end(path: Path, word: str, *, after_seconds: float = 0.0) -> str:
    """Python text of a child that notes its start, and its end when asked to end."""
    return (
        f"import signal, sys, time\n"
        f"def end(*_):\n    pause()\n    {note(path, 'end-' + word)}\n    sys.exit(0)\n"
        f"def pause():\n    time.sleep({after_seconds})\n"
        f"signal.signal(signal.SIGTERM, end)\n"
        f"{note(path, 'start-' + word)}\n"
        f"while True: time.sleep(0.05)\n"
    )


def ready_child(folder: Path, name: str, code: str) -> dict[str, object]:
    """A child that is ready when it comes to the last line of its code, where it stays."""
    file = str(folder / f"{name}-is-ready")
    preparation, _, last_line = code.rstrip().rpartition("\n")
    code = f"{preparation}\nopen({file!r}, 'w').close()\n{last_line}"
    return {"name": name, "code": code, "ready_file": file}


def words(path: Path) -> list[str]:
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def times(path: Path) -> list[float]:
    return [float(line.split()[1]) for line in path.read_text().splitlines()]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Start a supervisor with these children; whatever is left of it is killed afterwards."""
    started: list[subprocess.Popen[str]] = []

    def start_supervisor(*children: dict, **plan: object) -> subprocess.Popen[str]:
        text = json.dumps({"log_dir": str(tmp_path / "logs"), "children": children, **plan})
        process = subprocess.Popen(
            [sys.executable, "-m", supervisor_driver.__name__, text],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_supervisor
    for process in started:
        process.kill()
        process.communicate()


def wait_ready(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Wait for the supervisor's own word; return the children."""
    assert process.stdout is not None
    while (line := process.stdout.readline()) != "ready\n":
        assert line, f"the supervisor ended: {process.communicate()[1]}"
    return psutil.Process(process.pid).children()


def all_gone(children: list[psutil.Process]) -> bool:
    return not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in children)


def test_a_dying_child_is_restarted_ever_more_slowly_and_then_given_up(start: Starter, tmp_path):
    lives = tmp_path / "lives"
    code = note(lives, "life") + "print('the reason of my death'); raise SystemExit(3)"

    process = start({"name": "mayfly", "code": code}, policy={"max_rapid_deaths": 4})
    _, errors = process.communicate(timeout=30)

    gaps = [later - earlier for earlier, later in zip(times(lives), times(lives)[1:], strict=False)]
    assert len(gaps) == 3
    assert all(gap >= least for gap, least in zip(gaps, (0.2, 0.4, 0.8), strict=True))
    assert process.returncode == 2
    assert "mayfly cannot be kept running: it died 4 times, by exit code 3" in errors
    assert "the reason of my death" in errors


def test_a_child_that_lives_long_enough_is_restarted_beyond_the_limit(start: Starter, tmp_path):
    lives = tmp_path / "lives"
    code = note(lives, "life") + "time.sleep(0.3); raise SystemExit(1)"

    start({"name": "steady", "code": code}, policy={"max_rapid_deaths": 2, "healthy_seconds": 0.25})

    wait_until(lambda: len(words(lives)) >= 4)


def test_a_usage_error_ends_the_stack_at_once(start: Starter, tmp_path):
    lives = tmp_path / "lives"
    code = note(lives, "life") + "print('no such artifact'); raise SystemExit(2)"

    process = start({"name": "worker", "code": code}, {"name": "other", "code": SLEEP})
    _, errors = process.communicate(timeout=30)

    assert words(lives) == ["life"]
    assert "it died once, by exit code 2" in errors
    assert "no such artifact" in errors


def test_a_child_that_is_not_essential_may_be_lost(start: Starter, tmp_path):
    dying = {"name": "spare", "code": "raise SystemExit(2)", "essential": False}

    process = start(dying, {"name": "main", "code": SLEEP})

    wait_ready(process)
    wait_until(lambda: len(psutil.Process(process.pid).children()) == 1)
    time.sleep(0.3)
    assert process.poll() is None
    assert len(psutil.Process(process.pid).children()) == 1


def test_a_stage_of_which_nothing_is_left_ends_the_stack(start: Starter, tmp_path):
    dying = {"code": "raise SystemExit(2)", "essential": False, "stage": 1}

    process = start({"name": "main", "code": SLEEP}, dying | {"name": "a"}, dying | {"name": "b"})
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 2
    assert "cannot be kept running: it died once" in errors


def test_kill_minus_nine_of_the_supervisor_kills_every_child(start: Starter, tmp_path):
    process = start(
        ready_child(tmp_path, "one", SLEEP), ready_child(tmp_path, "deaf", IGNORE_SIGTERM)
    )
    children = wait_ready(process)
    assert len(children) == 2

    process.kill()

    wait_until(lambda: all_gone(children), seconds=5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stages_start_in_order_and_stop_in_reverse(start: Starter, tmp_path, number):
    seen = tmp_path / "seen"
    children = [
        ready_child(tmp_path, name, noting_its_end(seen, name)) | {"stage": stage}
        for stage, name in enumerate(["server", "loops", "worker"])
    ]

    process = start(*children)
    wait_ready(process)
    process.send_signal(number)

    assert process.wait(timeout=10) == 0
    assert words(seen) == [
        "start-server", "start-loops", "start-worker", "end-worker", "end-loops", "end-server",
    ]  # fmt: skip


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(start: Starter, tmp_path):
    deaf = ready_child(tmp_path, "deaf", IGNORE_SIGTERM)
    process = start(deaf | {"stop_grace_seconds": 0.7})
    children = wait_ready(process)

    began = time.monotonic()
    process.terminate()

    assert process.wait(timeout=10) == 0
    assert time.monotonic() - began > 0.7
    assert all_gone(children)


def test_a_second_signal_ends_everything_at_once(start: Starter, tmp_path):
    deaf = ready_child(tmp_path, "deaf", IGNORE_SIGTERM)
    process = start(deaf | {"stop_grace_seconds": 600})
    children = wait_ready(process)

    process.send_signal(signal.SIGINT)
    time.sleep(0.8)
    assert not all_gone(children)
    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=5) == 2
    assert all_gone(children)


def test_one_wish_that_is_sent_twice_counts_once(start: Starter, tmp_path):
    seen = tmp_path / "seen"
    slow_to_end = noting_its_end(seen, "slow", after_seconds=0.4)
    process = start(ready_child(tmp_path, "slow", slow_to_end))
    wait_ready(process)

    process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=10) == 0
    assert words(seen) == ["start-slow", "end-slow"]


def test_a_terminal_cannot_reach_the_children_before_their_turn(start: Starter):
    process = start({"name": "one", "code": SLEEP})

    (child,) = wait_ready(process)

    assert os.getpgid(child.pid) == child.pid
    assert os.getsid(child.pid) != os.getsid(process.pid)


def test_what_a_dead_child_leaves_behind_is_swept(start: Starter, tmp_path):
    pid_file = tmp_path / "grandchild"
    code = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pid_file)!r}, 'w').write(str(p.pid))\n"
        "time.sleep(600)\n"
    )
    process = start({"name": "parent", "code": code})
    (child,) = wait_ready(process)
    wait_until(lambda: pid_file.exists() and pid_file.read_text())
    grandchild = psutil.Process(int(pid_file.read_text()))

    child.kill()

    wait_until(lambda: all_gone([grandchild]), seconds=5)


def test_a_child_that_never_gets_ready_is_given_up(start: Starter, tmp_path):
    never = str(tmp_path / "never")
    child = {"name": "shy", "code": SLEEP, "ready_file": never, "ready_timeout_seconds": 0.3}

    process = start(child, policy={"max_rapid_deaths": 2})
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 2
    assert "shy cannot be kept running: it died 2 times" in errors


def test_the_log_of_a_talkative_child_stays_bounded(start: Starter, tmp_path):
    written = tmp_path / "written"
    code = (
        "import time\nfor i in range(12):\n    print(str(i) * 2000, flush=True)\n"
        f"    time.sleep(0.1)\nopen({str(written)!r}, 'w').close()\n" + SLEEP
    )
    process = start({"name": "chatter", "code": code}, max_log_bytes=20_000)
    wait_ready(process)

    wait_until(written.exists)
    time.sleep(1.2)

    sizes = [path.stat().st_size for path in (tmp_path / "logs").iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 20_000


def test_a_child_cannot_be_started_from_another_thread(tmp_path):
    spec = ProcessSpec(name="one", argv=(sys.executable, "-c", SLEEP))
    child = ChildProcess(spec, log=ChildLog(tmp_path / "log"))
    errors: list[str] = []

    def start_it() -> None:
        try:
            child.start()
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=start_it)
    thread.start()
    thread.join()

    assert errors == ["children are started from the main thread only"]


def test_a_program_that_is_not_there_is_named_in_the_log(tmp_path):
    log = ChildLog(tmp_path / "log")
    child = ChildProcess(ProcessSpec(name="ghost", argv=("/no/such/program",)), log=log)

    child.start()
    wait_until(lambda: log.last_lines(1))

    assert log.last_lines(5) == ["cannot run /no/such/program: No such file or directory"]
    child.kill()


def test_an_orphan_of_the_shim_does_not_become_the_program(tmp_path):
    target = tmp_path / "ran"
    shim = Path(ChildProcess.__module__.replace(".", "/")).with_name("exec_shim.py")
    root = Path(supervisor_driver.__file__).parents[2]
    wrong_parent = str(os.getpid() + 1)

    ended = subprocess.run(
        [sys.executable, "-I", "-S", str(root / shim), wrong_parent, "/usr/bin/touch", str(target)],
        check=False,
    )

    assert ended.returncode == 125
    assert not target.exists()


def test_the_last_lines_are_those_of_the_current_run(tmp_path):
    log = ChildLog(tmp_path / "log")
    for word in ("first", "second"):
        descriptor = log.open()
        os.write(descriptor, f"{word} run\n".encode())
        os.close(descriptor)

    assert log.last_lines(10) == ["second run"]
