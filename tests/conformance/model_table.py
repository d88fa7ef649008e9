"""The models that must give TFLite's answers, as data for test_models.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Largest difference from the oracle, as a part of the largest magnitude in the output. Integers, and floats that a
# DEQUANTIZE made of them, must be equal.
TOLERANCES = {"integer": 0.0, "float": 1e-5, "dynamic": 1e-4}

TOKEN_DTYPES = ("int32", "int64")  # indices, mostly: an input of these needs its Values


@dataclass(frozen=True, kw_only=True)
class Values:
    """What random values an input gets; the default is the whole range of small integers, and normal floats."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ModelCase:
    """One file under models/ and how to compare it.

    arithmetic: "integer", "float", or "dynamic" (8-bit weights, float activations); decides the tolerance.
    values: by an input's place; indices must stay inside their tables.
    pictures: the input is an image; for floats, pixels become this range.
    oracle: the resolver; `why` says why it is not BUILTIN_REF.
    deviation: why this one may differ more, by up to `allowed`.
    repaired: LiteRT refuses the file for its quantized_dimension; the oracle gets it with 0 there.
    older: kinds of ops whose version BUILTIN_REF does not list, though its code is the same; the oracle gets these.
    in_floats: a kind of op that LiteRT lacks for this dtype; the oracle gets it between DEQUANTIZE and QUANTIZE.
    sample: part of the default test run.
    """

    path: str
    arithmetic: str
    values: Mapping[int, Values] = field(default_factory=dict)
    pictures: tuple[float, float] | None = None
    oracle: str = "BUILTIN_REF"
    why: str = ""
    deviation: str = ""
    allowed: float = 0.0
    repaired: bool = False
    older: Mapping[str, int] = field(default_factory=dict)
    in_floats: str = ""
    sample: bool = True

    def __post_init__(self) -> None:
        assert self.arithmetic in TOLERANCES
        assert self.oracle == "BUILTIN_REF" or self.why, f"{self.path}: say why not BUILTIN_REF"
        assert bool(self.deviation) == bool(self.allowed), f"{self.path}: a deviation needs its cause"

    @property
    def tolerance(self) -> float:
        return self.allowed or TOLERANCES[self.arithmetic]


WITHOUT_DELEGATES = "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
PIXELS = (0.0, 255.0)  # what integer models take as it is
SIGNED, UNIT = (-1.0, 1.0), (0.0, 1.0)
BERT = {0: Values(low=0, high=1), 1: Values(low=0, high=2999)}  # attention mask, tokens


def integer(path: str, *, pictures: bool = True, **more: object) -> ModelCase:
    return ModelCase(path=path, arithmetic="integer", pictures=PIXELS if pictures else None, **more)  # type: ignore[arg-type]


def real(path: str, pictures: tuple[float, float] | None = None, **more: object) -> ModelCase:
    return ModelCase(path=path, arithmetic="float", pictures=pictures, **more)  # type: ignore[arg-type]


def dynamic(path: str, pictures: tuple[float, float] | None = None, **more: object) -> ModelCase:
    return ModelCase(path=path, arithmetic="dynamic", pictures=pictures, **more)  # type: ignore[arg-type]


CASES = [
    integer("edgetpu/bright_128x128.tflite"),
    integer("edgetpu/bright_16x16.tflite"),
    integer("edgetpu/deeplabv3_mnv2_dm05_pascal_quant.tflite", sample=False),
    integer("edgetpu/dense_256.tflite", pictures=False),
    integer("edgetpu/gabor_64x64_p4.tflite"),
    integer("edgetpu/keras_lstm_mnist_ptq.tflite", pictures=False),
    integer("edgetpu/looming_64x64_3x3.tflite"),
    integer("edgetpu/mobilenet_v1_0.25_128_quant.tflite"),
    integer("edgetpu/mobilenet_v1_0.5_160_quant.tflite", sample=False),
    integer("edgetpu/mobilenet_v2_1.0_224_quant.tflite", sample=False),
    integer("edgetpu/movenet_single_pose_lightning_ptq.tflite", sample=False),
    integer("edgetpu/split_concat.tflite", pictures=False),
    dynamic(
        "made/bert_tiny4_dyn.tflite",
        values=BERT,
        deviation="TFLite's GELU is a polynomial of Eigen, one unit in the last place from ours; where such a value is "
        "next to a tie, the quantization in the next layer rounds it to the other side",
        allowed=1e-2,
    ),
    real("made/bert_tiny4_float.tflite", values=BERT),
    real("made/bert_tiny4_fp16.tflite", values=BERT, sample=False),
    integer("made/bert_tiny4_int8.tflite", values=BERT, pictures=False),
    real("made/mobilenetv3small_float.tflite", UNIT),
    integer(
        "made/mobilenetv3small_int8.tflite",
        oracle=WITHOUT_DELEGATES,
        why="its logits are all equal, and BUILTIN_REF aborts in a SOFTMAX over more than 512 such",
    ),
    real("made/small_unet_float.tflite", UNIT),
    integer("made/small_unet_int8.tflite", older={"TILE": 1}),
    integer("made/small_unet_int16x8.tflite", pictures=False, older={"TILE": 1}),
    integer("made/vit_tiny_int8.tflite"),
    integer(
        "made/vit_tiny_int16x8.tflite",
        pictures=False,
        in_floats="SQUARED_DIFFERENCE",
        deviation="a step of the square is rounded once in floats and three times in fixed point",
        allowed=1e-3,
        sample=False,
    ),
    real("made/keras_gru_float.tflite"),
    dynamic("made/keras_lstm_dyn.tflite"),
    real("made/misc_audio_flex.tflite"),
    real("made/resource_var_2sig_float.tflite"),
    real("made/while_if_float.tflite", values={0: Values(low=0, high=9)}),
    real("real/yamnet_audio_classifier_with_metadata.tflite"),
    real("real/lyragan.tflite"),
    integer("real/okay_nabu.tflite", pictures=False),
    real("real/soundstream_encoder.tflite"),
    integer("real/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite", sample=False),
    real("real/deeplabv3_257_mv_gpu.tflite", SIGNED, sample=False),
    real("real/face_blendshapes.tflite"),
    real("real/face_detection_full_range_sparse.tflite", UNIT),
    real("real/hand_landmark_full.tflite", UNIT, sample=False),
    integer("real/hello_world_int8.tflite", pictures=False),
    real("real/iris_landmark.tflite", UNIT),
    integer("real/kws_ref_model.tflite", pictures=False),
    real(
        "real/mobilenet_v1_0.25_224_1_default_1.tflite",
        SIGNED,
        deviation="sums are added in another order, which adds up over 27 convolutions; XNNPACK's differ by 1.6e-5",
        allowed=5e-5,
    ),
    real(
        "real/lattice_tcditugenmeetpackhref_ls2_nl60_lr12_bs2048_learn.005_ep2400_train1_7_raw.tflite",
    ),
    dynamic(
        "real/mobilenet_v2_035_96_embedder_with_metadata.tflite",
        UNIT,
        deviation="sums of floats are added in another order; where such a value is next to a tie, the quantization in "
        "the next layer rounds it to the other side. XNNPACK's differ by 4.3e-2, LiteRT's built-in kernels by 3.1e-2",
        allowed=1e-1,
    ),
    real("real/model_1.tflite"),
    real(
        "real/nmp.tflite",
        values={0: Values(low=-1, high=1)},
        deviation="the logarithm of a band's energy, which is close to 0 for noise: sums of floats that are added in "
        "another order show; XNNPACK's differ by 1.8e-4",
        allowed=1e-3,
        sample=False,
    ),
    integer("real/person_detect_model.tflite", repaired=True),
    real("real/text_classification.tflite", values={0: Values(low=0, high=9999)}),
    integer("real/tf2_mobilenet_v2_1.0_224_ptq.tflite", sample=False),
    real("real/torchaudio_conformer.tflite", sample=False),
    real(
        "real/selfie_segmenter.tflite",
        UNIT,
        oracle="AUTO",
        why="only XNNPACK has Convolution2DTransposeBias",
        deviation="noise gives nothing but the logistic of -17; an error of 1e-5 in that is one of 2e-4 in the result",
        allowed=1e-3,
    ),
    integer("real/vww_96_int8.tflite"),
]

# Files that are tested elsewhere, and why not here.
ELSEWHERE = {
    "edgetpu/*_edgetpu.tflite": "compiled for the Edge TPU: tests/test_edgetpu_*.py run them on the emulated one",
    "edgetpu/posenet_mobilenet_v1_075_481_641_16_quant_decoder.tflite": "LiteRT has no PosenetDecoderOp: "
    "tests/test_posenet.py",
    "invalid/model_invoking_error.tflite": "an op that nobody knows: test_models.py",
    "ops/*.tflite": "test_op_models.py",
    "real/qwen_fc_blockwise_quantized.tflite": "LiteRT's reference kernel answers zero: "
    "tests/test_blockwise.py compares it with numpy",
}
