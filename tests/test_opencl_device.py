"""OpenCL as a delegate: what a user sees of it, from the device string to the plan."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import graphs as make
import subgraft
from opencl_device import TestDevice
from subgraft.backends.opencl import OpenCl, discovery, measure
from subgraft.backends.opencl.launch import Work
from subgraft.cli import main
from subgraft.cli.exit_codes import ExitCode
from subgraft.delegates import Array, Cost, Device, Unavailable
from subgraft.interpreter import Model
from subgraft.models import DIGITS_INT8

X = np.linspace(-3, 3, 4000, dtype=np.float32).reshape(4, 1000)
FAST = measure.Measured(1e-6, 1e-5, 1e10, 1e10, 1e12, 1e13, 1e13)


def chain() -> Model:
    return Model.of(make.chain("ADD", "TANH", "MUL", shape=X.shape))


def answer(session: subgraft.Session) -> Array:
    (value,) = session.run({"x": X}).values()
    return value


def segment(model: Model) -> subgraft.delegates.Segment:
    return model.graphs[0].segment(range(len(model.graphs[0].ops)))


def test_an_integer_model_has_the_cpus_bits(opencl: TestDevice) -> None:
    random = np.random.default_rng(0)
    images = random.integers(-128, 128, (8, 1, 8, 8, 1)).astype(np.int8)
    with subgraft.load(DIGITS_INT8) as cpu, subgraft.load(DIGITS_INT8, [opencl.delegate()]) as session:
        assert {step.owner for step in session.plan.steps} == {opencl.id}
        for image in images:
            expected, got = cpu.run({"image": image}), session.run({"image": image})
            assert all(np.array_equal(got[name], expected[name]) for name in expected)
        assert not session.report.events


def test_a_device_string_chooses_among_the_devices(opencl: TestDevice) -> None:
    delegate = OpenCl(**opencl.options())  # type: ignore[arg-type]
    wanted = opencl.found.caps.vendor
    assert delegate.choose(wanted).description.startswith(wanted)
    assert delegate.devices()[opencl.found.index] == discovery.device_of(opencl.found)
    with pytest.raises(Unavailable, match="no device 'warp'; there: opencl:0"):
        delegate.choose("warp")


def test_a_device_that_is_not_there_leaves_the_model_to_the_cpu_and_says_so(opencl: TestDevice) -> None:
    with subgraft.load(chain(), ["opencl:warp"]) as session:
        assert np.allclose(answer(session), np.tanh(2 * X) ** 2, atol=1e-6)
        assert "no device 'warp'" in str(session.report)


def test_offloading_asks_for_no_estimate(opencl: TestDevice) -> None:
    delegate = OpenCl(**opencl.options())  # type: ignore[arg-type]
    delegate.choose(opencl.found.id)
    assert delegate.cost(segment(chain())) is None


def test_for_speed_both_estimates_are_in_the_plan(opencl: TestDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    with subgraft.load(chain(), [opencl.delegate(prefer="speed")], cpu_cost=lambda segment: 1.0) as session:
        (step,) = session.plan.steps
        assert step.owner == opencl.id
        assert step.cost is not None and 0 < step.cost.total_s < 1.0
        assert "1 s on the CPU" in " ".join(session.plan.explain().split())
    with subgraft.load(chain(), [opencl.delegate(prefer="speed")], cpu_cost=lambda segment: 1e-9) as session:
        assert [step.owner for step in session.plan.steps] == [None]
        assert "no faster than the CPU's 1e-09 s" in " ".join(session.plan.explain().split())


def test_a_cost_is_the_slowest_part_of_each_kernel_and_the_transfers() -> None:
    traffic = X.nbytes / 1e10
    work = [Work(macs=0, bytes=100), Work(macs=10**10, bytes=100), Work(macs=0, bytes=10**10)]
    found = measure.cost(segment(chain()), work, FAST)
    assert found == Cost(
        pytest.approx(1e-6 + 1e-3 / measure.SHARE_OF_PEAK + 1e-2),
        pytest.approx(1e-5 + measure.HAND_OVER_S + 2 * traffic),
    )


def test_a_slow_bus_makes_a_segment_dear() -> None:
    slow = measure.Measured(1e-6, 1e-5, 2e9, 1e8, 1e12, 1e13, 1e13)  # as a Coral Dev Board reads back
    fast, dear = (measure.cost(segment(chain()), [Work()], one).transfer_s for one in (FAST, slow))
    assert dear > 100e-6 > fast


def test_sessions_in_several_threads_have_their_own_answers(opencl: TestDevice) -> None:
    if not opencl.found.caps.is_thread_safe:
        pytest.skip(f"{opencl.found.called} computes wrongly in several threads")
    wrong: list[object] = []

    def use(factor: float) -> None:
        with subgraft.load(chain(), [opencl.delegate()]) as session:
            for _ in range(20):
                (got,) = session.run({"x": factor * X}).values()
                if not np.allclose(got, np.tanh(2 * factor * X) ** 2, atol=1e-5):
                    wrong.append(factor)

    threads = [threading.Thread(target=use, args=(factor,)) for factor in (0.5, 1.0, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "subgraft" / "opencl"


def test_devices_are_listed_with_what_is_known_of_them(
    opencl: TestDevice, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed(*names: str) -> dict[str, object]:
        assert main(["devices", *names, "--json"]) == ExitCode.OK
        rows: list[dict[str, object]] = json.loads(capsys.readouterr().out)["devices"]
        return next(row for row in rows if row["device"] == opencl.id)

    row = listed("opencl")
    assert row["state"] == "not tried yet"
    assert str(row["link"]).startswith("OpenCL ")
    assert str(listed(opencl.id)["state"]).startswith("ready: ")  # named alone, it is opened and tried
    assert listed("opencl")["state"] == listed(opencl.id)["state"]
    assert list(own_cache.glob("*.fact"))


def test_without_pyopencl_the_command_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyopencl", None)
    assert main(["devices", "opencl"]) == ExitCode.MISSING_DEPENDENCY
    assert "pip install 'subgraft[opencl]'" in capsys.readouterr().err
    with subgraft.load(chain(), ["opencl"]) as session:
        assert "pip install 'subgraft[opencl]'" in str(session.report)


def test_nothing_is_kept_where_the_cache_is_off(opencl: TestDevice, own_cache: Path) -> None:
    with subgraft.load(chain(), [opencl.delegate(cache="no")]) as session:
        answer(session)
    assert not own_cache.exists()


def test_a_warm_start_builds_nothing(opencl: TestDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subgraft.load(chain(), [opencl.delegate(cache=str(tmp_path))]) as session:
        expected = answer(session)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with subgraft.load(chain(), [opencl.delegate(cache=str(tmp_path))]) as session:
        assert np.array_equal(answer(session), expected)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept


def test_a_device_of_another_list_is_looked_for_again(opencl: TestDevice) -> None:
    delegate = OpenCl(**opencl.options())  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="no device '99'"):
        delegate.facts(Device("opencl", "99"))
