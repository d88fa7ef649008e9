"""Device strings, and what a user is told about the ones that lead nowhere."""

import pytest

from subgraft.backends.fake import Fake
from subgraft.delegates import Unavailable
from subgraft.interpreter.discovery import Wanted, choose, find, names


def test_installed_delegates_are_found_by_entry_point():
    assert "fake" in names()
    assert isinstance(find("fake").delegate, Fake)


@pytest.mark.parametrize("spec, device", [("fake", "0"), ("fake:0", "0"), ("fake:1", "1"), ("fake@1", "1")])
def test_a_device_string_names_a_delegate_and_a_device(spec, device):
    assert choose(find(spec)).id == device


@pytest.mark.parametrize(
    "wanted, found",
    [("", "usb:0"), ("usb", "usb:0"), ("usb:1", "usb:1"), ("pci", "pci:0"), ("pci@0000:02:00.0", "pci@0000:02:00.0")],
)
def test_the_beginning_of_an_id_is_enough(wanted, found):
    fake = Fake()
    one = fake.devices()[0]
    fake.devices = lambda: [type(one)("fake", i) for i in ("usb:0", "usb:1", "pci:0", "pci@0000:02:00.0")]
    assert choose(Wanted(fake, wanted)).id == found


@pytest.mark.parametrize("wanted", ["7", "0x", "1:2"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(wanted):
    with pytest.raises(Unavailable, match=f"fake has no device {wanted}; devices there: 0, 1"):
        choose(find(f"fake:{wanted}"))


@pytest.mark.parametrize("spec", ["nonesuch", "nonesuch:0", "", ":", "fake:", "../fake", "fa ke"])
def test_an_unknown_name_is_refused_with_the_known_ones(spec):
    with pytest.raises(Unavailable, match="delegates here: .*fake"):
        find(spec)


@pytest.mark.parametrize("spec", ["libedgetpu.so.1", "/usr/lib/libvx_delegate.so", "armnn.DLL", "x.dylib"])
def test_a_vendors_library_is_refused_until_it_can_be_loaded(spec):
    with pytest.raises(Unavailable, match="later release"):
        find(spec)


@pytest.mark.parametrize("kinds", ["TFLite_Detection_PostProcess", "MadeUp", "edgetpu-custom-op", "CONV_2D"])
def test_the_fake_takes_names_that_may_be_custom_ops(kinds):
    assert isinstance(find("fake", {"kinds": kinds}).delegate, Fake)


def test_a_vendors_library_is_answered_with_what_to_do():
    with pytest.raises(Unavailable, match="looks like a shared library.*Edge TPU.*not in this release. Leave it out"):
        find("libedgetpu.so.1")
    with pytest.raises(Unavailable, match="looks like a shared library.*Leave it out to run on the CPU") as caught:
        find("libc.so.6")
    assert "Edge TPU" not in str(caught.value)


@pytest.mark.parametrize("spec", ["edgetpu", "edgetpu:usb:0", "opencl", "nnapi"])
def test_a_planned_delegate_is_said_to_be_planned(spec):
    with pytest.raises(Unavailable, match="support is planned, and not in this release"):
        find(spec)


def test_an_option_that_the_delegate_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(ValueError, match="fake has no option 'speed'; it has: .*faults"):
        find("fake", {"speed": "11"})


@pytest.mark.parametrize(
    "options, message",
    [
        ({"timeout_s": "soon"}, "timeout_s"),
        ({"timeout_s": "0"}, "timeout_s"),
        ({"devices": "two"}, "whole number"),
        ({"submits": "perhaps"}, "true or false"),
        ({"faults": "explode"}, "no fault named 'explode'; there are: .*hang"),
        ({"faults": "fail@0"}, "1 for the first"),
        ({"faults": "reject@1"}, "'reject@1': no segment compiles, whatever the run; write 'reject' alone"),
        ({"faults": "unavailable@2"}, "write 'unavailable' alone"),
        ({"kinds": "BOGUS_OP"}, "option 'kinds' names 'BOGUS_OP', which is no op$"),
        ({"kinds": "conv_2d"}, "which is no op; did you mean CONV_2D?"),
        ({"refuses": "Softmax"}, "option 'refuses' names 'Softmax', .*SOFTMAX"),
        ({"kinds": 3}, "commas"),
    ],
)
def test_an_option_with_a_value_that_means_nothing_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        find("fake", options)


def test_a_delegate_whose_library_is_missing_says_which(monkeypatch):
    import subgraft.interpreter.discovery as discovery

    class Point:
        name = "needy"

        def load(self):
            raise ModuleNotFoundError("No module named 'pyopencl'", name="pyopencl")

    monkeypatch.setattr(discovery, "entry_points", lambda group: [Point()])
    with pytest.raises(Unavailable, match="needy needs the Python package 'pyopencl'"):
        find("needy")
