"""Numbers of the Neural Networks API: NeuralNetworksTypes.h of the Android NDK."""

from __future__ import annotations

from collections.abc import Mapping

# OperandCode.
FLOAT32, INT32, BOOL = 0, 1, 6
TENSOR_FLOAT32, TENSOR_INT32, TENSOR_QUANT8_ASYMM, TENSOR_QUANT16_SYMM = 3, 4, 5, 7
TENSOR_FLOAT16, TENSOR_BOOL8, TENSOR_QUANT8_SYMM_PER_CHANNEL = 8, 9, 11
TENSOR_QUANT8_SYMM, TENSOR_QUANT8_ASYMM_SIGNED, MODEL = 13, 14, 15

# FeatureLevelCode, and the Android version that brought each. Since level 5 the runtime is a module that is updated by
# itself, and the levels have numbers of their own: no version of Android stands for one of the later ones.
LEVEL_1, LEVEL_2, LEVEL_3, LEVEL_4, LEVEL_5 = 27, 28, 29, 30, 31
LEVEL_6, LEVEL_7, LEVEL_8 = 1000006, 1000007, 1000008
LATEST = LEVEL_8
ANDROID: Mapping[int, str] = {
    LEVEL_1: "Android 8.1", LEVEL_2: "Android 9", LEVEL_3: "Android 10", LEVEL_4: "Android 11",
    LEVEL_5: "Android 12",
}  # fmt: skip
LEVELS = (LEVEL_1, LEVEL_2, LEVEL_3, LEVEL_4, LEVEL_5, LEVEL_6, LEVEL_7, LEVEL_8)

# DeviceTypeCode.
DEVICE_TYPES: Mapping[int, str] = {0: "unknown", 1: "other", 2: "CPU", 3: "GPU", 4: "accelerator"}
CPU = 2

PREFERENCES: Mapping[str, int] = {"low_power": 0, "fast_single_answer": 1, "sustained_speed": 2}
PRIORITIES: Mapping[str, int] = {"low": 90, "medium": 100, "high": 110}
FUSED: Mapping[str, int] = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}  # FuseCode
PADDINGS: Mapping[str, int] = {"SAME": 1, "VALID": 2}  # PaddingCode

# OperationCode, and the feature level that brought the operation.
OPERATIONS: Mapping[str, tuple[int, int]] = {
    name: (code, level)
    for level, names in (
        (LEVEL_1, "0 ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE "
                  "EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D "
                  "LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU1 RELU6 RESHAPE "
                  "RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH"),
        (LEVEL_2, "29 BATCH_TO_SPACE_ND DIV MEAN PAD SPACE_TO_BATCH_ND SQUEEZE STRIDED_SLICE SUB TRANSPOSE"),
        (LEVEL_3, "38 ABS ARGMAX ARGMIN AXIS_ALIGNED_BBOX_TRANSFORM BIDIRECTIONAL_SEQUENCE_LSTM "
                  "BIDIRECTIONAL_SEQUENCE_RNN BOX_WITH_NMS_LIMIT CAST CHANNEL_SHUFFLE DETECTION_POSTPROCESSING EQUAL "
                  "EXP EXPAND_DIMS GATHER GENERATE_PROPOSALS GREATER GREATER_EQUAL GROUPED_CONV_2D "
                  "HEATMAP_MAX_KEYPOINT INSTANCE_NORMALIZATION LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR "
                  "LOG_SOFTMAX MAXIMUM MINIMUM NEG NOT_EQUAL PAD_V2 POW PRELU QUANTIZE QUANTIZED_16BIT_LSTM "
                  "RANDOM_MULTINOMIAL REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_SUM ROI_ALIGN "
                  "ROI_POOLING RSQRT SELECT SIN SLICE SPLIT SQRT TILE TOPK_V2 TRANSPOSE_CONV_2D "
                  "UNIDIRECTIONAL_SEQUENCE_LSTM UNIDIRECTIONAL_SEQUENCE_RNN RESIZE_NEAREST_NEIGHBOR"),
        (LEVEL_4, "95 QUANTIZED_LSTM IF WHILE ELU HARD_SWISH FILL RANK"),
        (LEVEL_6, "102 BATCH_MATMUL PACK"),
        (LEVEL_7, "104 MIRROR_PAD REVERSE"),
    )
    for code, name in enumerate(names.split()[1:], int(names.split()[0]))
}  # fmt: skip


def called(level: int) -> str:
    """A feature level as users know it: "feature level 4 (Android 11)"."""
    number = level - LEVEL_1 + 1 if level <= LEVEL_5 else level - 1000000
    known = ANDROID.get(level)
    return f"feature level {number}" + (f" ({known})" if known else "")
