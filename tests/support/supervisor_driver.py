"""Runs a supervisor in a process of its own, so that tests can send it real signals.

Usage: supervisor_driver.py JSON, with `log_dir`, `policy` and `children` (fields of ProcessSpec;
`code` is the Python text that the child runs). Prints `ready` when all children are ready.
"""

import json
import sys
from pathlib import Path
from typing import Any

from producer.local_stack.child_process import ProcessSpec
from producer.local_stack.process_supervisor import Supervisor
from producer.local_stack.restart_policy import RestartPolicy
from shared.errors import StackError


def _spec(fields: dict[str, Any]) -> ProcessSpec:
    code, ready_file = fields.pop("code"), fields.pop("ready_file", None)
    ready = (lambda _pid: Path(ready_file).exists()) if ready_file else None
    return ProcessSpec(argv=(sys.executable, "-c", code), ready=ready, **fields)


def main() -> int:
    plan = json.loads(sys.argv[1])
    supervisor = Supervisor(
        [_spec(fields) for fields in plan["children"]],
        log_dir=Path(plan["log_dir"]),
        policy=RestartPolicy(**plan.get("policy", {})),
        max_log_bytes=plan.get("max_log_bytes", 2**20),
    )
    try:
        supervisor.run(when_ready=lambda: print("ready", flush=True))
    except StackError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
