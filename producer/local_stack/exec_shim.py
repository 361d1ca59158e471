"""Become another program that dies with the supervisor: the first thing in every child.

Run as a script, isolated and without site (`python -I -S exec_shim.py PARENT_PID PROGRAM ARGS..`),
so it starts in some ten milliseconds and may import nothing but the standard library. The kernel
sends the death signal when the *thread* that forked this process ends, which is why the
supervisor starts children from its main thread only.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""`prctl` option of <linux/prctl.h>: the signal to get when the parent dies."""

EXIT_ORPHANED = 125
"""The supervisor was gone before the death signal was armed."""

EXIT_NOT_FOUND = 127
"""The program cannot be run, as shells report it."""


def arm_death_signal() -> None:
    """Ask the kernel to kill this process when its parent dies; kept across exec."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


def main(arguments: list[str]) -> int:
    """Arm the death signal, check the parent, and become `arguments[1:]`."""
    parent_pid, program = int(arguments[0]), arguments[1:]
    arm_death_signal()
    if os.getppid() != parent_pid:
        return EXIT_ORPHANED
    try:
        os.execv(program[0], program)  # noqa: S606 - becoming the program is this file's purpose
    except OSError as error:
        sys.stderr.write(f"cannot run {program[0]}: {error.strerror}\n")
    return EXIT_NOT_FOUND


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
