"""Device strings, and what a user is told about the ones that lead nowhere."""

from pathlib import Path

import pytest

import subgraft
from subgraft import Model
from subgraft.backends.fake import Fake
from subgraft.delegates import ModelError, Models, Unavailable
from subgraft.interpreter.discovery import Wanted, choose, find, names
from subgraft.models import DIGITS_INT8


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
    with pytest.raises(Unavailable, match='looks like a shared library.*For an Edge TPU write "edgetpu". Leave it out'):
        find("libedgetpu.so.1")
    with pytest.raises(Unavailable, match="looks like a shared library.*Leave it out to run on the CPU") as caught:
        find("libc.so.6")
    assert "Edge TPU" not in str(caught.value)


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


class Choosy(Fake):
    """Its first device must be asked for; its second also goes by "first"."""

    def choose(self, wanted):
        if wanted not in ("", "first", "1", "0"):
            raise Unavailable(f"choosy has no {wanted}")
        return self.devices()[0 if wanted == "0" else 1]


def test_a_delegate_may_choose_among_its_devices_itself():
    assert [choose(Wanted(Choosy(), wanted)).id for wanted in ("", "first", "1", "0")] == ["1", "1", "1", "0"]
    with pytest.raises(Unavailable, match="choosy has no 2"):
        choose(Wanted(Choosy(), "2"))


def test_compiled_has_to_be_given_by_the_name_of_a_delegate():
    with pytest.raises(ValueError, match="compiled names fake:0, .* without its device: fake"):
        subgraft.load(DIGITS_INT8, delegates=["fake:0"], compiled={"fake:0": DIGITS_INT8})
    with pytest.raises(TypeError, match="write {\"NAME\": 'm_edgetpu.tflite'}"):
        subgraft.load(DIGITS_INT8, delegates=["fake"], compiled="m_edgetpu.tflite")


def test_a_parameter_annotated_models_is_given_the_graphs_of_the_files(monkeypatch):
    import subgraft.interpreter.discovery as discovery

    class Reader(Fake):
        def __init__(self, *, compiled: Models = ()):
            super().__init__()
            self.compiled_graphs = compiled

    class Point:
        name = "reader"

        def load(self):
            return Reader

    monkeypatch.setattr(discovery, "entry_points", lambda group: [Point()])
    content = Path(DIGITS_INT8).read_bytes()
    for given in (DIGITS_INT8, str(DIGITS_INT8), content, Model.open(content), [DIGITS_INT8], (content,)):
        (graph,) = find("reader", {"compiled": given}).delegate.compiled_graphs
        assert graph.segment(range(len(graph.ops))).to_tflite()[4:8] == b"TFL3"
    assert len(find("reader", {"compiled": [DIGITS_INT8, content]}).delegate.compiled_graphs) == 2
    with pytest.raises(ModelError, match="nonesuch"):
        find("reader", {"compiled": "nonesuch.tflite"})
    with pytest.raises(TypeError, match="a model is a path"):
        find("reader", {"compiled": [3]})
