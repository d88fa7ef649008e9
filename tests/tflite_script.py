"""A script as people write them for ai_edge_litert.interpreter; it must run unchanged on subgraft.

    python tflite_script.py MODULE MODELS_FOLDER

Prints one JSON object: for each case what it returned, or the type of its exception (and its text, for reading).
"""

import importlib
import json
import sys
import warnings
from pathlib import Path

import numpy as np

tflite = importlib.import_module(sys.argv[1])
MODELS = Path(sys.argv[2])
HELLO = str(MODELS / "real/hello_world_int8.tflite")
TEXT = str(MODELS / "real/text_classification.tflite")
TWO_SIGNATURES = str(MODELS / "made/resource_var_2sig_float.tflite")
SPARSE = str(MODELS / "real/face_detection_full_range_sparse.tflite")
BLOCKWISE = str(MODELS / "real/qwen_fc_blockwise_quantized.tflite")
PER_CHANNEL = str(MODELS / "real/kws_ref_model.tflite")

# Their fast kernels differ from their own reference; the reference is what both must give.
REFERENCE = tflite.OpResolverType.BUILTIN_REF


def new(path=HELLO, **more):
    return tflite.Interpreter(model_path=path, experimental_op_resolver_type=REFERENCE, **more)


def ready(path=HELLO, **more):
    interpreter = new(path, **more)
    interpreter.allocate_tensors()
    return interpreter


def run(interpreter, value):
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


X = np.array([[7]], np.int8)
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def error_case(name):
    def register(function):
        CASES[name] = function
        return function

    return register


# --- construction


@case
def from_path():
    return run(ready(), X)


@case
def from_pathlike():
    return run(ready(Path(HELLO)), X)


@case
def from_content():
    interpreter = tflite.Interpreter(model_content=Path(HELLO).read_bytes(), experimental_op_resolver_type=REFERENCE)
    interpreter.allocate_tensors()
    return run(interpreter, X)


@case
def every_constructor_argument():
    interpreter = tflite.Interpreter(
        model_path=HELLO,
        model_content=None,
        experimental_delegates=None,
        num_threads=2,
        experimental_op_resolver_type=REFERENCE,
        experimental_preserve_all_tensors=False,
        experimental_disable_delegate_clustering=False,
        experimental_default_delegate_latest_features=False,
        experimental_compress_quantization_zero_points=True,
        experimental_disable_delegate_node_fusion=False,
        experimental_force_delegate_node_profiling=False,
    )
    interpreter.allocate_tensors()
    return [interpreter.experimental_compress_quantization_zero_points, run(interpreter, X)]


CASES["positional_path"] = lambda: tflite.Interpreter(HELLO).get_input_details()[0]["name"]
CASES["bool_as_thread_count"] = lambda: run(ready(num_threads=True), X)
CASES["missing_file"] = lambda: new("/nope.tflite")
CASES["a_folder"] = lambda: new(str(MODELS))
CASES["path_of_wrong_type"] = lambda: new(5)
CASES["no_source"] = lambda: tflite.Interpreter()
CASES["empty_content"] = lambda: tflite.Interpreter(model_content=b"")
CASES["both_sources"] = lambda: tflite.Interpreter(model_path=HELLO, model_content=b"x")
CASES["garbage"] = lambda: tflite.Interpreter(model_content=b"garbage, not a model")
CASES["content_of_wrong_type"] = lambda: tflite.Interpreter(model_content="text")
CASES["zero_threads"] = lambda: new(num_threads=0)
CASES["negative_threads"] = lambda: new(num_threads=-1)
CASES["threads_as_text"] = lambda: new(num_threads="2")
CASES["unknown_resolver"] = lambda: tflite.Interpreter(HELLO, experimental_op_resolver_type="ref")
CASES["resolver_values"] = lambda: {t.name: t.value for t in tflite.OpResolverType}

# --- details

CASES["input_details"] = lambda: new().get_input_details()
CASES["output_details"] = lambda: new().get_output_details()
CASES["details_before_allocate"] = lambda: new().get_tensor_details()[:8]
CASES["details_with_signature_shapes"] = lambda: new(TEXT).get_tensor_details()[:12]
CASES["details_per_channel"] = lambda: ready(PER_CHANNEL).get_tensor_details()[:20]
CASES["details_sparse"] = lambda: [d for d in new(SPARSE).get_tensor_details() if d["sparsity_parameters"]][:3]
CASES["details_blockwise"] = lambda: new(BLOCKWISE).get_tensor_details()
CASES["details_of_a_body"] = lambda: new(TWO_SIGNATURES).get_tensor_details(subgraph_index=1)
CASES["details_of_no_subgraph"] = lambda: new().get_tensor_details(subgraph_index=5)
CASES["detail_types"] = lambda: {k: type(v).__name__ for k, v in new().get_input_details()[0].items()}
CASES["dtype_is_a_type"] = lambda: new().get_input_details()[0]["dtype"] is np.int8
CASES["array_dtypes"] = lambda: [
    new().get_input_details()[0]["shape"].dtype.name,
    new().get_input_details()[0]["shape_signature"].dtype.name,
    new().get_input_details()[0]["quantization_parameters"]["scales"].dtype.name,
    new().get_input_details()[0]["quantization_parameters"]["zero_points"].dtype.name,
]
CASES["ops_details"] = lambda: new()._get_ops_details()
CASES["op_details"] = lambda: new()._get_op_details(1)
CASES["num_subgraphs"] = lambda: [new().num_subgraphs(), new(TWO_SIGNATURES).num_subgraphs()]

# --- set, invoke, get


@case
def a_scalar_of_python_numbers():
    interpreter = ready()
    interpreter.set_tensor(0, [[7]])


@case
def all_tensors_kept():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = ready(experimental_preserve_all_tensors=True)
    run(interpreter, X)
    return [interpreter.get_tensor(i) for i in range(10)]


@case
def a_constant_can_be_read():
    return ready().get_tensor(1)


@case
def inputs_keep_their_values():
    interpreter = ready()
    first = run(interpreter, X)
    interpreter.invoke()
    return [first, interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), interpreter.get_tensor(0)]


@case
def outputs_are_copies():
    interpreter = ready()
    first = run(interpreter, X)
    run(interpreter, X + 20)
    return first


@case
def a_strided_array_can_be_set():
    interpreter = ready()
    wide = np.arange(40, dtype=np.int8).reshape(1, 40)
    return run(interpreter, wide[:, ::40])


CASES["invoke_before_allocate"] = lambda: new().invoke()
CASES["get_before_allocate"] = lambda: new().get_tensor(0)
CASES["view_before_allocate"] = lambda: new().tensor(0)()
CASES["set_before_allocate"] = lambda: new().set_tensor(0, X)
CASES["wrong_dtype"] = lambda: ready().set_tensor(0, X.astype(np.float32))
CASES["wrong_rank"] = lambda: ready().set_tensor(0, np.int8(1))
CASES["wrong_dimension"] = lambda: ready().set_tensor(0, np.zeros((2, 1), np.int8))
CASES["index_too_large"] = lambda: ready().get_tensor(9999)
CASES["index_negative"] = lambda: ready().get_tensor(-1)
CASES["set_index_too_large"] = lambda: ready().set_tensor(9999, X)
CASES["set_index_negative"] = lambda: ready().set_tensor(-1, X)
CASES["view_index_too_large"] = lambda: ready().tensor(9999)()
CASES["making_a_view_checks_nothing"] = lambda: callable(ready().tensor(9999))
CASES["subgraph_too_large"] = lambda: ready().get_tensor(0, 5)
CASES["index_of_wrong_type"] = lambda: ready().get_tensor("x")
CASES["allocate_twice"] = lambda: [ready().allocate_tensors(), run(ready(), X)]
CASES["allocate_returns_nothing"] = lambda: new().allocate_tensors()
CASES["reset_all_variables"] = lambda: ready().reset_all_variables()

# --- views


@case
def a_view_writes_the_input():
    interpreter = ready()
    interpreter.tensor(0)()[...] = 7
    interpreter.invoke()
    return interpreter.tensor(interpreter.get_output_details()[0]["index"])().copy()


def while_a_view_lives(act):
    interpreter = ready()
    view = interpreter.tensor(0)()
    try:
        return act(interpreter)
    finally:
        del view


CASES["invoke_under_a_view"] = lambda: while_a_view_lives(lambda i: i.invoke())
CASES["allocate_under_a_view"] = lambda: while_a_view_lives(lambda i: i.allocate_tensors())
CASES["resize_under_a_view"] = lambda: while_a_view_lives(lambda i: i.resize_tensor_input(0, [2, 1]))
CASES["set_under_a_view"] = lambda: while_a_view_lives(lambda i: i.set_tensor(0, X))
CASES["get_under_a_view"] = lambda: while_a_view_lives(lambda i: i.get_tensor(0).shape)


@case
def invoke_after_the_view_is_gone():
    interpreter = ready()
    view = interpreter.tensor(0)()
    view[...] = 7
    del view
    interpreter.invoke()
    return interpreter.get_tensor(9)


@case
def a_slice_of_a_view_counts():
    interpreter = ready()
    part = interpreter.tensor(0)()[0]
    try:
        interpreter.invoke()
    finally:
        del part


# --- resizing


@case
def resize():
    interpreter = new()
    interpreter.resize_tensor_input(0, [3, 1])
    before = [interpreter.get_input_details()[0]["shape"], interpreter.get_output_details()[0]["shape"]]
    interpreter.allocate_tensors()
    out = run(interpreter, np.array([[1], [2], [3]], np.int8))
    details = interpreter.get_input_details()[0]
    after = [details["shape"], details["shape_signature"], interpreter.get_output_details()[0]["shape"]]
    return [before, after, out]


@case
def resize_after_allocate():
    interpreter = ready()
    run(interpreter, X)
    interpreter.resize_tensor_input(0, np.array([2, 1]))
    interpreter.allocate_tensors()
    return run(interpreter, np.array([[1], [2]], np.int8))


@case
def resize_to_the_same_shape_keeps_the_memory():
    interpreter = ready()
    run(interpreter, X)
    interpreter.resize_tensor_input(0, [1, 1])
    return interpreter.get_tensor(0)


def resized(shape, then, **more):
    interpreter = ready()
    interpreter.resize_tensor_input(0, shape, **more)
    return then(interpreter)


CASES["get_after_resize"] = lambda: resized([3, 1], lambda i: i.get_tensor(0))
CASES["invoke_after_resize"] = lambda: resized([3, 1], lambda i: i.invoke())
CASES["set_after_resize"] = lambda: resized([3, 1], lambda i: i.set_tensor(0, X))
CASES["resize_to_a_wrong_rank_is_accepted"] = lambda: resized([1, 1, 1, 1, 1], lambda i: "accepted")
CASES["strict_resize_of_a_free_dimension"] = lambda: resized([3, 1], lambda i: i.allocate_tensors(), strict=True)
CASES["strict_resize_of_a_fixed_dimension"] = lambda: resized([1, 2], lambda i: "accepted", strict=True)
CASES["resize_with_floats"] = lambda: resized([3.5, 1], lambda i: i.get_input_details()[0]["shape"])
CASES["resize_to_a_matrix"] = lambda: resized([[3, 1]], lambda i: "accepted")
CASES["resize_negative"] = lambda: resized([-1, 1], lambda i: "accepted")
CASES["resize_of_no_tensor"] = lambda: ready().resize_tensor_input(9999, [1, 1])
CASES["resize_that_does_not_fit"] = lambda: resized([1, 2], lambda i: i.allocate_tensors())

# --- signatures

CASES["signature_list"] = lambda: [new().get_signature_list(), new(TWO_SIGNATURES).get_signature_list()]
CASES["full_signature_list"] = lambda: new(TWO_SIGNATURES)._get_full_signature_list()
CASES["no_signatures"] = lambda: new(TEXT).get_signature_list()
CASES["signature_runner"] = lambda: new().get_signature_runner()(dense_input=X)
CASES["signature_runner_by_key"] = lambda: new().get_signature_runner("serving_default")(dense_input=X)
CASES["signature_runner_resizes"] = lambda: new().get_signature_runner()(dense_input=np.array([[1], [2]], np.int8))
CASES["signature_input_details"] = lambda: new(TWO_SIGNATURES).get_signature_runner("step").get_input_details()
CASES["signature_output_details"] = lambda: new(TWO_SIGNATURES).get_signature_runner("step").get_output_details()
CASES["signature_unknown"] = lambda: new().get_signature_runner("nope")
CASES["signature_ambiguous"] = lambda: new(TWO_SIGNATURES).get_signature_runner()
CASES["signature_without_any"] = lambda: new(TEXT).get_signature_runner()
CASES["signature_too_few_inputs"] = lambda: new().get_signature_runner()()
CASES["signature_unknown_input"] = lambda: new().get_signature_runner()(nope=X)
CASES["signature_wrong_dtype"] = lambda: new().get_signature_runner()(dense_input=X.astype(np.float32))
CASES["signature_of_no_interpreter"] = lambda: tflite.SignatureRunner(None, "x")
CASES["signature_of_no_key"] = lambda: tflite.SignatureRunner(new(), None)


@case
def signature_runs_leave_the_tensors_readable():
    interpreter = new()
    interpreter.get_signature_runner()(dense_input=X)
    return interpreter.get_tensor(9)


# --- delegates

CASES["missing_delegate_library"] = lambda: tflite.load_delegate("/nope/libnope.so")
CASES["a_library_that_is_no_delegate"] = lambda: tflite.load_delegate("libm.so.6")


def plain(value):
    """As JSON, with arrays marked as such."""
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": value.dtype.name}
    if isinstance(value, np.generic):
        return {"scalar": value.item(), "dtype": value.dtype.name}
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def outcome(function):
    try:
        return {"value": plain(function())}
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        return {"error": kinds, "text": str(error)}


sys.stdout.write(json.dumps({name: outcome(function) for name, function in CASES.items()}))
