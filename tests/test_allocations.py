"""The native invoke allocates nothing in steady state: counted by a build of the core that watches malloc."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

import subgraft
from shared_models import MODELS, needs_shared
from subgraft.delegates import Graph, Op, Options, Tensor

# One of each kind: int8, uint8, float, dynamic range, float16 weights, LSTM, transformer, thousands of ops,
# sparse weights, loops, branches, variables.
COUNTED = [
    "real/hello_world_int8.tflite",
    "real/kws_ref_model.tflite",
    "real/vww_96_int8.tflite",
    "real/person_detect_model.tflite",
    "real/text_classification.tflite",
    "real/model_1.tflite",
    "real/keras_lstm_mnist_ptq.tflite",
    "real/mobilenet_v2_035_96_embedder_with_metadata.tflite",
    "real/lattice_tcditugenmeetpackhref_ls2_nl60_lr12_bs2048_learn.005_ep2400_train1_7_raw.tflite",
    "made/bert_tiny4_int8.tflite",
    "made/bert_tiny4_dyn.tflite",
    "edgetpu/mobilenet_v1_0.25_128_quant.tflite",
    "edgetpu/gabor_64x64_p4.tflite",
    "made/small_unet_int16x8.tflite",
    "real/face_detection_full_range_sparse.tflite",
    "made/keras_gru_float.tflite",
    "made/while_if_float.tflite",
    "real/okay_nabu.tflite",
]


@pytest.fixture(scope="module")
def counter(native_programs: Path) -> Path:
    return native_programs / "count_allocations"


@needs_shared
@pytest.mark.parametrize("threads", [1, 2])
def test_the_native_invoke_allocates_nothing(counter: Path, threads: int) -> None:
    paths = [str(MODELS / name) for name in COUNTED]
    child = subprocess.run([str(counter), str(threads), *paths], capture_output=True, text=True, timeout=600)
    assert child.returncode == 0, child.stdout + child.stderr
    counts = dict(reversed(line.split(" ", 1)) for line in child.stdout.splitlines())
    assert counts == dict.fromkeys(paths, "0")


def counted(counter: Path, model: Path, graph: Graph) -> int:
    model.write_bytes(subgraft.Model.of(graph).to_bytes())
    child = subprocess.run([str(counter), "1", str(model)], capture_output=True, text=True, timeout=60)
    count = int(child.stdout.split()[0])
    assert child.returncode == (1 if count else 0), child.stdout + child.stderr
    return count


def test_the_counter_counts(counter: Path, tmp_path: Path) -> None:
    """An op that finds its output's shape in many values is prepared in every run: a blind counter would miss it."""
    tensors = [Tensor("x", (2000,), "bool"), Tensor("places", (1, 1), "int64")]
    assert counted(counter, tmp_path / "where.tflite", Graph(tensors, [Op("WHERE", (0,), (1,))], (0,), (1,))) > 0


def test_an_op_whose_shapes_stay_what_the_last_run_found_allocates_nothing(counter: Path, tmp_path: Path) -> None:
    tensors = [Tensor("x", (4, 6), "float32"), Tensor("zeros", (2,), "int32"), Tensor("rows", (1, 1), "float32")]
    tensors += [Tensor("y", (1, 1), "float32"), Tensor("twice", (2,), "int32")]
    tensors += [Tensor.constant("two", np.array([2, 2], np.int32))]
    add = Op("ADD", (1, 5), (4,), Options({"fused_activation_function": "NONE"}))
    ops = [add, Op("TILE", (0, 4), (2,)), Op("SOFTMAX", (2,), (3,), Options({"beta": 1.0}))]
    assert counted(counter, tmp_path / "tiled.tflite", Graph(tensors, ops, (0, 1), (3,))) == 0


def test_an_opencl_command_list_allocates_nothing(native_programs: Path, tmp_path: Path) -> None:
    """With a stand-in for the driver; what a real one allocates is its own."""
    library = tmp_path / "libOpenCL_stand_in.so"
    source = str(Path(__file__).with_name("stand_in_opencl.c"))
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", source, "-lpthread", "-o", str(library)], check=True)
    command = [str(native_programs / "count_opencl_allocations"), str(library)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert child.returncode == 0, child.stdout + child.stderr
    assert child.stdout.split() == ["0", "10"]


def test_an_edge_tpu_inference_allocates_nothing(native_programs: Path) -> None:
    child = subprocess.run(
        [str(native_programs / "count_engine_allocations")], capture_output=True, text=True, timeout=60
    )
    assert child.returncode == 0, child.stdout + child.stderr
    assert child.stdout.split() == ["0", "5000", "0", "480"]
