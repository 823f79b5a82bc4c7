"""Which trials share a device."""

from pathlib import Path

from small_data import order, trial_config

from lrbench.execution.workers.device_sharing import CONTEXT_BYTES, DeviceSharing

ONE, TWO, THREE = (order(trial_config(seed=seed), Path("data"), Path("results")) for seed in (1, 2, 3))
GPU = "0"


def test_a_device_that_is_not_watched_takes_what_its_slots_take() -> None:
    sharing = DeviceSharing()
    sharing.begin(ONE, GPU)
    assert sharing.admits(TWO, GPU)


def test_an_unmeasured_trial_runs_alone() -> None:
    sharing = DeviceSharing({GPU: 2**40}, lambda order: None)
    assert sharing.admits(ONE, GPU)
    sharing.begin(ONE, GPU)
    assert not sharing.admits(TWO, GPU)
    assert sharing.admits(TWO, "1")
    sharing.end(ONE.config.id, GPU)
    assert sharing.admits(TWO, GPU)


def test_measured_trials_share_what_memory_there_is() -> None:
    peak = 10**9
    each = int(peak * 1.2) + CONTEXT_BYTES
    sharing = DeviceSharing({GPU: 2 * each}, lambda order: peak)
    sharing.begin(ONE, GPU)
    assert sharing.admits(TWO, GPU)
    sharing.begin(TWO, GPU)
    assert not sharing.admits(THREE, GPU)


def test_after_memory_ran_out_a_trial_has_half_as_many_beside_it() -> None:
    sharing = DeviceSharing()
    for each in (ONE, TWO, THREE):
        sharing.begin(each, GPU)
    sharing.relieve(ONE.config.id, GPU, alone=False)
    sharing.end(ONE.config.id, GPU)
    assert not sharing.admits(ONE, GPU)  # two others are there, and only one may be
    sharing.end(TWO.config.id, GPU)
    assert sharing.admits(ONE, GPU)
    sharing.begin(ONE, GPU)
    assert not sharing.admits(TWO, GPU)  # TWO would be the second beside ONE
    assert not sharing.isolates(ONE.config.id)
    sharing.relieve(ONE.config.id, GPU, alone=False)
    assert sharing.isolates(ONE.config.id)
    sharing.end(ONE.config.id, GPU)
    assert not sharing.admits(ONE, GPU)  # beside THREE
    sharing.end(THREE.config.id, GPU)
    assert sharing.admits(ONE, GPU)
    assert not sharing.isolates(THREE.config.id)


def test_a_trial_that_ran_out_of_memory_alone_needs_a_device_with_more() -> None:
    sharing, trial = DeviceSharing(), ONE.config.id
    for device, size in (("small", 10), ("same", 10), ("large", 20)):
        sharing.measure(device, size)
    sharing.relieve(trial, "small", alone=True)
    devices = ("small", "same", "large", "not measured")
    assert [sharing.may_be_large_enough(trial, device) for device in devices] == [False, False, True, True]
    sharing.relieve(trial, "not measured", alone=True)  # its process ended before it told its memory
    assert [sharing.may_be_large_enough(trial, device) for device in devices] == [False, False, True, False]
    assert sharing.may_be_large_enough(TWO.config.id, "small")
