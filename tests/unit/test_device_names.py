"""Names of devices and the options of simulated ones."""

import pytest

from shared.errors import UsageError
from worker.devices.names import parse_device_name
from worker.devices.simulated_device import Simulation, simulation_of


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [("cpu:0", "cpu", 0), ("cuda:12", "cuda", 12), ("torch-cpu", "torch-cpu", 0)],
)
def test_a_name_is_a_kind_and_a_number(text, kind, number):
    name = parse_device_name(text)

    assert (name.text, name.kind, name.number, dict(name.options)) == (text, kind, number, {})


def test_options_follow_a_question_mark():
    name = parse_device_name("simulated:1?images_per_second=50&fail_batches=1,2")

    assert name.text == "simulated:1"
    assert name.options == {"images_per_second": "50", "fail_batches": "1,2"}


@pytest.mark.parametrize("text", ["", ":0", "cpu:", "cpu:one", "cpu:-1", "simulated:0?fast"])
def test_a_name_that_is_none_is_refused_in_one_line(text):
    with pytest.raises(UsageError) as refused:
        parse_device_name(text)

    assert "\n" not in str(refused.value)


def test_a_simulation_is_read_from_options():
    options = {"images_per_second": "50", "fail_batches": "1,2", "hang_batch": "7"}

    assert simulation_of(options) == Simulation(
        images_per_second=50.0, fail_batches=frozenset({1, 2}), hang_batch=7
    )


def test_an_unknown_option_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="no option 'speed': images_per_second"):
        simulation_of({"speed": "1"})


def test_an_option_without_a_number_is_refused():
    with pytest.raises(UsageError, match="fail_from=x is not a number"):
        simulation_of({"fail_from": "x"})
