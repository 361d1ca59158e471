"""How many cores a CPU device may use: the scheduler's affinity, the cgroup's quota, its slot.

A slot is a share of threads, never a set of cores: pinning makes two workers share one core.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from shared.errors import UsageError

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def available_cores(
    *,
    affinity: int | None = None,
    cgroup_root: Path = _CGROUP_ROOT,
    own_cgroups: Path = _OWN_CGROUPS,
) -> int:
    """Count the cores this process may use at once: affinity, or less if a quota says so."""
    cores = len(os.sched_getaffinity(0)) if affinity is None else affinity
    quota = cgroup_quota(cgroup_root=cgroup_root, own_cgroups=own_cgroups)
    return max(1, min(cores, int(quota))) if quota is not None else cores


def slot_threads(slot: int, *, slots: int, cores: int) -> int:
    """Share cores among slots: the first ones get one more where they do not divide evenly.

    Raises:
        UsageError: if there is no such slot.
    """
    if slot >= slots:
        raise UsageError(
            f"no device cpu:{slot}: this machine's cores are divided into {slots} slot(s), "
            f"cpu:0 to cpu:{slots - 1}; set NESTOR_CPU_SLOTS to divide them further"
        )
    share, rest = divmod(cores, slots)
    return max(1, share + (1 if slot < rest else 0))


def cgroup_quota(*, cgroup_root: Path, own_cgroups: Path) -> float | None:
    """Return the smallest CPU quota, in cores, of this process's cgroup and those above it."""
    quotas = []
    for folder in _cpu_cgroup_folders(cgroup_root=cgroup_root, own_cgroups=own_cgroups):
        quota = _quota_v2(folder) or _quota_v1(folder)
        if quota is not None:
            quotas.append(quota)
    return min(quotas, default=None)


def _cpu_cgroup_folders(*, cgroup_root: Path, own_cgroups: Path) -> list[Path]:
    """List the folders to look at, from the root down, for cgroup v2 and the v1 controller."""
    paths = _own_cgroup_paths(own_cgroups)
    bases = {"": [cgroup_root], "cpu": [cgroup_root / "cpu", cgroup_root / "cpu,cpuacct"]}
    folders = []
    for controller, roots in bases.items():
        parts = Path(paths.get(controller, "/").lstrip("/")).parts
        for root in roots:
            folders += [root.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    return folders


def _own_cgroup_paths(own_cgroups: Path) -> Mapping[str, str]:
    paths = {}
    try:
        lines = own_cgroups.read_text().splitlines()
    except OSError:
        return {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _quota_v2(folder: Path) -> float | None:
    words = _words(folder / "cpu.max")
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _quota_v1(folder: Path) -> float | None:
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    return int(quota[0]) / int(period[0]) if quota and period and int(quota[0]) > 0 else None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
