"""How many cores a slot of the machine may use."""

import pytest

from shared.errors import UsageError
from worker.devices.cores import available_cores, slot_threads


def folder_with(tmp_path, files, *, own="0::/\n"):
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {
        "affinity": 8,
        "cgroup_root": tmp_path / "cgroup",
        "own_cgroups": tmp_path / "own",
    }


def test_without_a_quota_the_affinity_counts(tmp_path):
    assert available_cores(**folder_with(tmp_path, {"cpu.max": "max 100000\n"})) == 8


@pytest.mark.parametrize(
    ("quota", "cores"), [("250000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8)]
)
def test_a_v2_quota_lowers_the_count_but_never_below_one(tmp_path, quota, cores):
    assert available_cores(**folder_with(tmp_path, {"cpu.max": quota})) == cores


def test_the_tightest_quota_of_the_groups_above_counts(tmp_path):
    files = {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}

    assert available_cores(**folder_with(tmp_path, files, own="0::/a/b\n")) == 3


@pytest.mark.parametrize("controller", ["cpu", "cpu,cpuacct"])
def test_a_v1_quota_is_read_too(tmp_path, controller):
    files = {
        f"{controller}/job/cpu.cfs_quota_us": "400000\n",
        f"{controller}/job/cpu.cfs_period_us": "100000\n",
    }

    found = available_cores(**folder_with(tmp_path, files, own=f"4:{controller}:/job\n0::/\n"))

    assert found == 4


def test_a_v1_quota_of_minus_one_is_none(tmp_path):
    files = {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}

    assert available_cores(**folder_with(tmp_path, files, own="4:cpu:/\n")) == 8


@pytest.mark.parametrize(
    ("slots", "cores", "threads"), [(1, 4, [4]), (3, 8, [3, 3, 2]), (4, 2, [1, 1, 1, 1])]
)
def test_slots_share_all_cores_and_each_has_at_least_one(slots, cores, threads):
    assert [slot_threads(slot, slots=slots, cores=cores) for slot in range(slots)] == threads


def test_a_slot_beyond_the_last_is_refused_with_the_setting_to_change():
    with pytest.raises(UsageError, match=r"no device cpu:2.*NESTOR_CPU_SLOTS"):
        slot_threads(2, slots=2, cores=8)
