"""Our side of the conversation with a rival."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.turn import Turn, cpu_seconds


class RivalFailed(RuntimeError):
    """A rival ended or could not start; the message holds what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A rival's name in the table and its module."""

    name: str
    module: str


HAND_TUNED = Rival(name="hand-tuned loop", module="benchmarks.rivals.hand_tuned_loop")
ONE_BY_ONE = Rival(name="one-by-one loop", module="benchmarks.rivals.one_by_one_loop")
DATA_LOADER = Rival(name="torch DataLoader", module="benchmarks.rivals.data_loader")
NULL_LOOP = Rival(name="hand-tuned null loop", module="benchmarks.rivals.null_loop")


class RivalProcess:
    """A rival that is loaded and waits for its turns."""

    def __init__(self, rival: Rival, *, artifact: Path, files: Path, log: Path) -> None:
        self._log = log
        command = [sys.executable, "-m", rival.module, str(artifact), str(files)]
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                start_new_session=True,  # as Nestor's: the scheduler shares by session
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._module = rival.module
        self._answer()

    def __enter__(self) -> "RivalProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.close()  # its loop over the lines ends
        self._process.wait(timeout=60)

    def take_turn(self, images: int) -> Turn:
        """Let it classify so many images."""
        cpu_before = cpu_seconds([self._process.pid])
        self._requests.write(f"{images}\n")
        self._requests.flush()
        answer = json.loads(self._answer())
        return Turn(
            images=images,
            seconds=answer["seconds"],
            cpu_seconds=cpu_seconds([self._process.pid]) - cpu_before,
            best_classes=tuple(answer["best_classes"]),
        )

    def _answer(self) -> str:
        line = self._answers.readline()
        if not line:
            raise RivalFailed(f"{self._module} ended:\n{self._log.read_text()}")
        return line
