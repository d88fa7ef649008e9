// The facts of the .tflite schema (version 3d) that decode an operator: op names, and per options table its
// fields in the order of their ids. Reader, writer and kernels all work from this one table.
// A field that a newer schema adds is ignored by the reader until it is listed here.
#pragma once

#include "model/options.h"

namespace subgraft::schema {

inline constexpr const char* kBuiltinOperatorNames[] = {
    "ADD",
    "AVERAGE_POOL_2D",
    "CONCATENATION",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "DEPTH_TO_SPACE",
    "DEQUANTIZE",
    "EMBEDDING_LOOKUP",
    "FLOOR",
    "FULLY_CONNECTED",
    "HASHTABLE_LOOKUP",
    "L2_NORMALIZATION",
    "L2_POOL_2D",
    "LOCAL_RESPONSE_NORMALIZATION",
    "LOGISTIC",
    "LSH_PROJECTION",
    "LSTM",
    "MAX_POOL_2D",
    "MUL",
    "RELU",
    "RELU_N1_TO_1",
    "RELU6",
    "RESHAPE",
    "RESIZE_BILINEAR",
    "RNN",
    "SOFTMAX",
    "SPACE_TO_DEPTH",
    "SVDF",
    "TANH",
    "CONCAT_EMBEDDINGS",
    "SKIP_GRAM",
    "CALL",
    "CUSTOM",
    "EMBEDDING_LOOKUP_SPARSE",
    "PAD",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
    "GATHER",
    "BATCH_TO_SPACE_ND",
    "SPACE_TO_BATCH_ND",
    "TRANSPOSE",
    "MEAN",
    "SUB",
    "DIV",
    "SQUEEZE",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "STRIDED_SLICE",
    "BIDIRECTIONAL_SEQUENCE_RNN",
    "EXP",
    "TOPK_V2",
    "SPLIT",
    "LOG_SOFTMAX",
    "DELEGATE",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    "CAST",
    "PRELU",
    "MAXIMUM",
    "ARG_MAX",
    "MINIMUM",
    "LESS",
    "NEG",
    "PADV2",
    "GREATER",
    "GREATER_EQUAL",
    "LESS_EQUAL",
    "SELECT",
    "SLICE",
    "SIN",
    "TRANSPOSE_CONV",
    "SPARSE_TO_DENSE",
    "TILE",
    "EXPAND_DIMS",
    "EQUAL",
    "NOT_EQUAL",
    "LOG",
    "SUM",
    "SQRT",
    "RSQRT",
    "SHAPE",
    "POW",
    "ARG_MIN",
    "FAKE_QUANT",
    "REDUCE_PROD",
    "REDUCE_MAX",
    "PACK",
    "LOGICAL_OR",
    "ONE_HOT",
    "LOGICAL_AND",
    "LOGICAL_NOT",
    "UNPACK",
    "REDUCE_MIN",
    "FLOOR_DIV",
    "REDUCE_ANY",
    "SQUARE",
    "ZEROS_LIKE",
    "FILL",
    "FLOOR_MOD",
    "RANGE",
    "RESIZE_NEAREST_NEIGHBOR",
    "LEAKY_RELU",
    "SQUARED_DIFFERENCE",
    "MIRROR_PAD",
    "ABS",
    "SPLIT_V",
    "UNIQUE",
    "CEIL",
    "REVERSE_V2",
    "ADD_N",
    "GATHER_ND",
    "COS",
    "WHERE",
    "RANK",
    "ELU",
    "REVERSE_SEQUENCE",
    "MATRIX_DIAG",
    "QUANTIZE",
    "MATRIX_SET_DIAG",
    "ROUND",
    "HARD_SWISH",
    "IF",
    "WHILE",
    "NON_MAX_SUPPRESSION_V4",
    "NON_MAX_SUPPRESSION_V5",
    "SCATTER_ND",
    "SELECT_V2",
    "DENSIFY",
    "SEGMENT_SUM",
    "BATCH_MATMUL",
    "PLACEHOLDER_FOR_GREATER_OP_CODES",
    "CUMSUM",
    "CALL_ONCE",
    "BROADCAST_TO",
    "RFFT2D",
    "CONV_3D",
    "IMAG",
    "REAL",
    "COMPLEX_ABS",
    "HASHTABLE",
    "HASHTABLE_FIND",
    "HASHTABLE_IMPORT",
    "HASHTABLE_SIZE",
    "REDUCE_ALL",
    "CONV_3D_TRANSPOSE",
    "VAR_HANDLE",
    "READ_VARIABLE",
    "ASSIGN_VARIABLE",
    "BROADCAST_ARGS",
    "RANDOM_STANDARD_NORMAL",
    "BUCKETIZE",
    "RANDOM_UNIFORM",
    "MULTINOMIAL",
    "GELU",
    "DYNAMIC_UPDATE_SLICE",
    "RELU_0_TO_1",
    "UNSORTED_SEGMENT_PROD",
    "UNSORTED_SEGMENT_MAX",
    "UNSORTED_SEGMENT_SUM",
    "ATAN2",
    "UNSORTED_SEGMENT_MIN",
    "SIGN",
    "BITCAST",
    "BITWISE_XOR",
    "RIGHT_SHIFT",
    "STABLEHLO_LOGISTIC",
    "STABLEHLO_ADD",
    "STABLEHLO_DIVIDE",
    "STABLEHLO_MULTIPLY",
    "STABLEHLO_MAXIMUM",
    "STABLEHLO_RESHAPE",
    "STABLEHLO_CLAMP",
    "STABLEHLO_CONCATENATE",
    "STABLEHLO_BROADCAST_IN_DIM",
    "STABLEHLO_CONVOLUTION",
    "STABLEHLO_SLICE",
    "STABLEHLO_CUSTOM_CALL",
    "STABLEHLO_REDUCE",
    "STABLEHLO_ABS",
    "STABLEHLO_AND",
    "STABLEHLO_COSINE",
    "STABLEHLO_EXPONENTIAL",
    "STABLEHLO_FLOOR",
    "STABLEHLO_LOG",
    "STABLEHLO_MINIMUM",
    "STABLEHLO_NEGATE",
    "STABLEHLO_OR",
    "STABLEHLO_POWER",
    "STABLEHLO_REMAINDER",
    "STABLEHLO_RSQRT",
    "STABLEHLO_SELECT",
    "STABLEHLO_SUBTRACT",
    "STABLEHLO_TANH",
    "STABLEHLO_SCATTER",
    "STABLEHLO_COMPARE",
    "STABLEHLO_CONVERT",
    "STABLEHLO_DYNAMIC_SLICE",
    "STABLEHLO_DYNAMIC_UPDATE_SLICE",
    "STABLEHLO_PAD",
    "STABLEHLO_IOTA",
    "STABLEHLO_DOT_GENERAL",
    "STABLEHLO_REDUCE_WINDOW",
    "STABLEHLO_SORT",
    "STABLEHLO_WHILE",
    "STABLEHLO_GATHER",
    "STABLEHLO_TRANSPOSE",
    "DILATE",
    "STABLEHLO_RNG_BIT_GENERATOR",
    "REDUCE_WINDOW",
    "STABLEHLO_COMPOSITE",
    "STABLEHLO_SHIFT_LEFT",
    "STABLEHLO_CBRT",
    "STABLEHLO_CASE",
};

inline constexpr const char* kTensorTypeNames[] = {
    "FLOAT32",   "FLOAT16", "INT32",    "UINT8",      "INT64",  "STRING",        "BOOL",        "INT16",
    "COMPLEX64", "INT8",    "FLOAT64",  "COMPLEX128", "UINT64", "RESOURCE",      "VARIANT",     "UINT32",
    "UINT16",    "INT4",    "BFLOAT16", "INT2",       "UINT4",  "FLOAT8_E4M3FN", "FLOAT8_E5M2",
};
inline constexpr const char* kActivationFunctionTypeNames[] = {
    "NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT",
};
inline constexpr const char* kCombinerTypeNames[] = {
    "SUM",
    "MEAN",
    "SQRTN",
};
inline constexpr const char* kCustomOptionsFormatNames[] = {
    "FLEXBUFFERS",
};
inline constexpr const char* kFullyConnectedOptionsWeightsFormatNames[] = {
    "DEFAULT",
    "SHUFFLED4x16INT8",
};
inline constexpr const char* kLSHProjectionTypeNames[] = {
    "UNKNOWN",
    "SPARSE",
    "DENSE",
};
inline constexpr const char* kLSTMKernelTypeNames[] = {
    "FULL",
    "BASIC",
};
inline constexpr const char* kMirrorPadModeNames[] = {
    "REFLECT",
    "SYMMETRIC",
};
inline constexpr const char* kPaddingNames[] = {
    "SAME",
    "VALID",
};
inline constexpr const char* kReduceWindowFunctionNames[] = {
    "UNSUPPORTED", "ADD", "MUL", "MINIMUM", "MAXIMUM", "ALL", "ANY",
};
inline constexpr const char* kRngAlgorithmNames[] = {
    "DEFAULT",
    "PHILOX",
    "THREEFRY",
};
inline constexpr const char* kStablehloComparisonDirectionNames[] = {
    "STABLEHLO_COMPARISON_DIRECTION_EQ", "STABLEHLO_COMPARISON_DIRECTION_NE", "STABLEHLO_COMPARISON_DIRECTION_GE",
    "STABLEHLO_COMPARISON_DIRECTION_GT", "STABLEHLO_COMPARISON_DIRECTION_LE", "STABLEHLO_COMPARISON_DIRECTION_LT",
};
inline constexpr const char* kStablehloComparisonTypeNames[] = {
    "STABLEHLO_COMPARISON_TYPE_NOTYPE",
    "STABLEHLO_COMPARISON_TYPE_FLOAT",
    "STABLEHLO_COMPARISON_TYPE_FLOAT_TOTAL_ORDER",
    "STABLEHLO_COMPARISON_TYPE_SIGNED",
    "STABLEHLO_COMPARISON_TYPE_UNSIGNED",
};
inline constexpr const char* kStablehloPrecisionConfigNames[] = {
    "DEFAULT",
    "HIGH",
    "HIGHEST",
};

inline constexpr OptionField kConv2DOptions[] = {
    {"padding", OptionKind::i8, 0, kPaddingNames},
    {"stride_w", OptionKind::i32},
    {"stride_h", OptionKind::i32},
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"dilation_w_factor", OptionKind::i32, 1},
    {"dilation_h_factor", OptionKind::i32, 1},
    {"quantized_bias_type", OptionKind::i8, 0, kTensorTypeNames},
};
inline constexpr OptionField kDepthwiseConv2DOptions[] = {
    {"padding", OptionKind::i8, 0, kPaddingNames},
    {"stride_w", OptionKind::i32},
    {"stride_h", OptionKind::i32},
    {"depth_multiplier", OptionKind::i32},
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"dilation_w_factor", OptionKind::i32, 1},
    {"dilation_h_factor", OptionKind::i32, 1},
};
inline constexpr OptionField kConcatEmbeddingsOptions[] = {
    {"num_channels", OptionKind::i32},
    {"num_columns_per_channel", OptionKind::i32s},
    {"embedding_dim_per_channel", OptionKind::i32s},
};
inline constexpr OptionField kLSHProjectionOptions[] = {
    {"type", OptionKind::i8, 0, kLSHProjectionTypeNames},
};
inline constexpr OptionField kPool2DOptions[] = {
    {"padding", OptionKind::i8, 0, kPaddingNames},
    {"stride_w", OptionKind::i32},
    {"stride_h", OptionKind::i32},
    {"filter_width", OptionKind::i32},
    {"filter_height", OptionKind::i32},
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
};
inline constexpr OptionField kSVDFOptions[] = {
    {"rank", OptionKind::i32},
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"asymmetric_quantize_inputs", OptionKind::boolean},
};
inline constexpr OptionField kRNNOptions[] = {
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"asymmetric_quantize_inputs", OptionKind::boolean},
};
inline constexpr OptionField kFullyConnectedOptions[] = {
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"weights_format", OptionKind::i8, 0, kFullyConnectedOptionsWeightsFormatNames},
    {"keep_num_dims", OptionKind::boolean},
    {"asymmetric_quantize_inputs", OptionKind::boolean},
    {"quantized_bias_type", OptionKind::i8, 0, kTensorTypeNames},
    {"quant_spec", OptionKind::u8s},
};
inline constexpr OptionField kSoftmaxOptions[] = {
    {"beta", OptionKind::f32},
};
inline constexpr OptionField kConcatenationOptions[] = {
    {"axis", OptionKind::i32},
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
};
inline constexpr OptionField kAddOptions[] = {
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"pot_scale_int16", OptionKind::boolean, 1},
};
inline constexpr OptionField kL2NormOptions[] = {
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
};
inline constexpr OptionField kLocalResponseNormalizationOptions[] = {
    {"radius", OptionKind::i32},
    {"bias", OptionKind::f32},
    {"alpha", OptionKind::f32},
    {"beta", OptionKind::f32},
};
inline constexpr OptionField kLSTMOptions[] = {
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"cell_clip", OptionKind::f32},
    {"proj_clip", OptionKind::f32},
    {"kernel_type", OptionKind::i8, 0, kLSTMKernelTypeNames},
    {"asymmetric_quantize_inputs", OptionKind::boolean},
};
inline constexpr OptionField kResizeBilinearOptions[] = {
    {"new_height", OptionKind::absent},
    {"new_width", OptionKind::absent},
    {"align_corners", OptionKind::boolean},
    {"half_pixel_centers", OptionKind::boolean},
};
inline constexpr OptionField kCallOptions[] = {
    {"subgraph", OptionKind::u32},
};
inline constexpr OptionField kReshapeOptions[] = {
    {"new_shape", OptionKind::i32s},
};
inline constexpr OptionField kSkipGramOptions[] = {
    {"ngram_size", OptionKind::i32},
    {"max_skip_size", OptionKind::i32},
    {"include_all_ngrams", OptionKind::boolean},
};
inline constexpr OptionField kSpaceToDepthOptions[] = {
    {"block_size", OptionKind::i32},
};
inline constexpr OptionField kEmbeddingLookupSparseOptions[] = {
    {"combiner", OptionKind::i8, 0, kCombinerTypeNames},
};
inline constexpr OptionField kMulOptions[] = {
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
};
inline constexpr OptionField kGatherOptions[] = {
    {"axis", OptionKind::i32},
    {"batch_dims", OptionKind::i32},
};
inline constexpr OptionField kReducerOptions[] = {
    {"keep_dims", OptionKind::boolean},
};
inline constexpr OptionField kSubOptions[] = {
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"pot_scale_int16", OptionKind::boolean, 1},
};
inline constexpr OptionField kDivOptions[] = {
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
};
inline constexpr OptionField kSqueezeOptions[] = {
    {"squeeze_dims", OptionKind::i32s},
};
inline constexpr OptionField kSequenceRNNOptions[] = {
    {"time_major", OptionKind::boolean},
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"asymmetric_quantize_inputs", OptionKind::boolean},
};
inline constexpr OptionField kStridedSliceOptions[] = {
    {"begin_mask", OptionKind::i32},    {"end_mask", OptionKind::i32},         {"ellipsis_mask", OptionKind::i32},
    {"new_axis_mask", OptionKind::i32}, {"shrink_axis_mask", OptionKind::i32}, {"offset", OptionKind::boolean},
};
inline constexpr OptionField kSplitOptions[] = {
    {"num_splits", OptionKind::i32},
};
inline constexpr OptionField kCastOptions[] = {
    {"in_data_type", OptionKind::i8, 0, kTensorTypeNames},
    {"out_data_type", OptionKind::i8, 0, kTensorTypeNames},
};
inline constexpr OptionField kArgMaxOptions[] = {
    {"output_type", OptionKind::i8, 0, kTensorTypeNames},
};
inline constexpr OptionField kTransposeConvOptions[] = {
    {"padding", OptionKind::i8, 0, kPaddingNames},
    {"stride_w", OptionKind::i32},
    {"stride_h", OptionKind::i32},
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"quantized_bias_type", OptionKind::i8, 0, kTensorTypeNames},
};
inline constexpr OptionField kSparseToDenseOptions[] = {
    {"validate_indices", OptionKind::boolean},
};
inline constexpr OptionField kShapeOptions[] = {
    {"out_type", OptionKind::i8, 0, kTensorTypeNames},
};
inline constexpr OptionField kArgMinOptions[] = {
    {"output_type", OptionKind::i8, 0, kTensorTypeNames},
};
inline constexpr OptionField kFakeQuantOptions[] = {
    {"min", OptionKind::f32},
    {"max", OptionKind::f32},
    {"num_bits", OptionKind::i32},
    {"narrow_range", OptionKind::boolean},
};
inline constexpr OptionField kPackOptions[] = {
    {"values_count", OptionKind::i32},
    {"axis", OptionKind::i32},
};
inline constexpr OptionField kOneHotOptions[] = {
    {"axis", OptionKind::i32},
};
inline constexpr OptionField kUnpackOptions[] = {
    {"num", OptionKind::i32},
    {"axis", OptionKind::i32},
};
inline constexpr OptionField kBidirectionalSequenceLSTMOptions[] = {
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"cell_clip", OptionKind::f32},
    {"proj_clip", OptionKind::f32},
    {"merge_outputs", OptionKind::boolean},
    {"time_major", OptionKind::boolean, 1},
    {"asymmetric_quantize_inputs", OptionKind::boolean},
};
inline constexpr OptionField kBidirectionalSequenceRNNOptions[] = {
    {"time_major", OptionKind::boolean},
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"merge_outputs", OptionKind::boolean},
    {"asymmetric_quantize_inputs", OptionKind::boolean},
};
inline constexpr OptionField kUnidirectionalSequenceLSTMOptions[] = {
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"cell_clip", OptionKind::f32},
    {"proj_clip", OptionKind::f32},
    {"time_major", OptionKind::boolean},
    {"asymmetric_quantize_inputs", OptionKind::boolean},
    {"diagonal_recurrent_tensors", OptionKind::boolean},
};
inline constexpr OptionField kResizeNearestNeighborOptions[] = {
    {"align_corners", OptionKind::boolean},
    {"half_pixel_centers", OptionKind::boolean},
};
inline constexpr OptionField kLeakyReluOptions[] = {
    {"alpha", OptionKind::f32},
};
inline constexpr OptionField kMirrorPadOptions[] = {
    {"mode", OptionKind::i8, 0, kMirrorPadModeNames},
};
inline constexpr OptionField kSplitVOptions[] = {
    {"num_splits", OptionKind::i32},
};
inline constexpr OptionField kUniqueOptions[] = {
    {"idx_out_type", OptionKind::i8, 2, kTensorTypeNames},
};
inline constexpr OptionField kReverseSequenceOptions[] = {
    {"seq_dim", OptionKind::i32},
    {"batch_dim", OptionKind::i32},
};
inline constexpr OptionField kIfOptions[] = {
    {"then_subgraph_index", OptionKind::i32},
    {"else_subgraph_index", OptionKind::i32},
};
inline constexpr OptionField kWhileOptions[] = {
    {"cond_subgraph_index", OptionKind::i32},
    {"body_subgraph_index", OptionKind::i32},
};
inline constexpr OptionField kDepthToSpaceOptions[] = {
    {"block_size", OptionKind::i32},
};
inline constexpr OptionField kBatchMatMulOptions[] = {
    {"adj_x", OptionKind::boolean},
    {"adj_y", OptionKind::boolean},
    {"asymmetric_quantize_inputs", OptionKind::boolean},
};
inline constexpr OptionField kCumsumOptions[] = {
    {"exclusive", OptionKind::boolean},
    {"reverse", OptionKind::boolean},
};
inline constexpr OptionField kCallOnceOptions[] = {
    {"init_subgraph_index", OptionKind::i32},
};
inline constexpr OptionField kConv3DOptions[] = {
    {"padding", OptionKind::i8, 0, kPaddingNames},
    {"stride_d", OptionKind::i32},
    {"stride_w", OptionKind::i32},
    {"stride_h", OptionKind::i32},
    {"fused_activation_function", OptionKind::i8, 0, kActivationFunctionTypeNames},
    {"dilation_d_factor", OptionKind::i32, 1},
    {"dilation_w_factor", OptionKind::i32, 1},
    {"dilation_h_factor", OptionKind::i32, 1},
};
inline constexpr OptionField kHashtableOptions[] = {
    {"table_id", OptionKind::i32},
    {"key_dtype", OptionKind::i8, 0, kTensorTypeNames},
    {"value_dtype", OptionKind::i8, 0, kTensorTypeNames},
};
inline constexpr OptionField kVarHandleOptions[] = {
    {"container", OptionKind::string},
    {"shared_name", OptionKind::string},
};
inline constexpr OptionField kRandomOptions[] = {
    {"seed", OptionKind::i64},
    {"seed2", OptionKind::i64},
};
inline constexpr OptionField kBucketizeOptions[] = {
    {"boundaries", OptionKind::f32s},
};
inline constexpr OptionField kGeluOptions[] = {
    {"approximate", OptionKind::boolean},
};
inline constexpr OptionField kStablehloConcatenateOptions[] = {
    {"dimension", OptionKind::i64},
};
inline constexpr OptionField kStablehloBroadcastInDimOptions[] = {
    {"broadcast_dimensions", OptionKind::i64s},
};
inline constexpr OptionField kStablehloSliceOptions[] = {
    {"start_indices", OptionKind::i64s},
    {"limit_indices", OptionKind::i64s},
    {"strides", OptionKind::i64s},
};
inline constexpr OptionField kStablehloConvolutionOptions[] = {
    {"window_strides", OptionKind::i64s},
    {"padding", OptionKind::i64s},
    {"lhs_dilation", OptionKind::i64s},
    {"rhs_dilation", OptionKind::i64s},
    {"window_reversal", OptionKind::booleans},
    {"input_batch_dimension", OptionKind::i64},
    {"input_feature_dimension", OptionKind::i64},
    {"input_spatial_dimensions", OptionKind::i64s},
    {"kernel_input_feature_dimension", OptionKind::i64},
    {"kernel_output_feature_dimension", OptionKind::i64},
    {"kernel_spatial_dimensions", OptionKind::i64s},
    {"output_batch_dimension", OptionKind::i64},
    {"output_feature_dimension", OptionKind::i64},
    {"output_spatial_dimensions", OptionKind::i64s},
    {"feature_group_count", OptionKind::i64},
    {"batch_group_count", OptionKind::i64},
    {"precision_config", OptionKind::u32s, 0, kStablehloPrecisionConfigNames},
};
inline constexpr OptionField kStablehloCustomCallOptions[] = {
    {"call_target_name", OptionKind::string},  {"has_side_effect", OptionKind::boolean},
    {"backend_config", OptionKind::string},    {"api_version", OptionKind::i32},
    {"called_computations", OptionKind::i32s}, {"custom_attributes", OptionKind::u8s},
};
inline constexpr OptionField kStablehloReduceOptions[] = {
    {"dimensions", OptionKind::i64s},
    {"body_subgraph_index", OptionKind::i32},
};
inline constexpr OptionField kStablehloScatterOptions[] = {
    {"indices_are_sorted", OptionKind::boolean},
    {"update_window_dims", OptionKind::i64s},
    {"inserted_window_dims", OptionKind::i64s},
    {"scatter_dims_to_operand_dims", OptionKind::i64s},
    {"index_vector_dim", OptionKind::i64},
    {"unique_indices", OptionKind::boolean},
    {"update_computation_subgraph_index", OptionKind::i32},
};
inline constexpr OptionField kStablehloCompareOptions[] = {
    {"comparison_direction", OptionKind::u32, 0, kStablehloComparisonDirectionNames},
    {"compare_type", OptionKind::u32, 0, kStablehloComparisonTypeNames},
};
inline constexpr OptionField kStablehloDynamicSliceOptions[] = {
    {"slice_sizes", OptionKind::i64s},
};
inline constexpr OptionField kStablehloPadOptions[] = {
    {"edge_padding_low", OptionKind::i64s},
    {"edge_padding_high", OptionKind::i64s},
    {"interior_padding", OptionKind::i64s},
};
inline constexpr OptionField kStablehloIotaOptions[] = {
    {"iota_dimension", OptionKind::i64},
};
inline constexpr OptionField kStablehloDotGeneralOptions[] = {
    {"lhs_batching_dimensions", OptionKind::i64s},
    {"rhs_batching_dimensions", OptionKind::i64s},
    {"lhs_contracting_dimensions", OptionKind::i64s},
    {"rhs_contracting_dimensions", OptionKind::i64s},
    {"precision_config", OptionKind::u32s, 0, kStablehloPrecisionConfigNames},
};
inline constexpr OptionField kStablehloReduceWindowOptions[] = {
    {"window_dimensions", OptionKind::i64s}, {"window_strides", OptionKind::i64s},
    {"base_dilations", OptionKind::i64s},    {"window_dilations", OptionKind::i64s},
    {"padding", OptionKind::i64s},           {"body_subgraph_index", OptionKind::i32},
};
inline constexpr OptionField kStablehloSortOptions[] = {
    {"dimension", OptionKind::i64},
    {"is_stable", OptionKind::boolean},
    {"comparator_subgraph_index", OptionKind::i32},
};
inline constexpr OptionField kStablehloWhileOptions[] = {
    {"cond_subgraph_index", OptionKind::i32},
    {"body_subgraph_index", OptionKind::i32},
};
inline constexpr OptionField kStablehloGatherOptions[] = {
    {"offset_dims", OptionKind::i64s},     {"collapsed_slice_dims", OptionKind::i64s},
    {"start_index_map", OptionKind::i64s}, {"index_vector_dim", OptionKind::i64},
    {"slice_sizes", OptionKind::i64s},     {"indices_are_sorted", OptionKind::boolean},
};
inline constexpr OptionField kStablehloTransposeOptions[] = {
    {"permutation", OptionKind::i64s},
};
inline constexpr OptionField kStablehloRngBitGeneratorOptions[] = {
    {"algorithm", OptionKind::i8, 0, kRngAlgorithmNames},
};
inline constexpr OptionField kReduceWindowOptions[] = {
    {"reduce_function", OptionKind::i32, 0, kReduceWindowFunctionNames},
};
inline constexpr OptionField kStableHLOCompositeOptions[] = {
    {"name", OptionKind::string},
    {"decomposition_subgraph_index", OptionKind::i32},
    {"composite_attributes", OptionKind::u8s},
    {"composite_attributes_format", OptionKind::i8, 0, kCustomOptionsFormatNames},
    {"version", OptionKind::i32},
};
inline constexpr OptionField kStablehloCaseOptions[] = {
    {"branch_subgraph_indices", OptionKind::i32s},
};

// Indexed by the union type of builtin_options; 0 is "none".
inline constexpr OptionTable kBuiltinOptions[] = {
    {"", {}},
    {"Conv2DOptions", kConv2DOptions},
    {"DepthwiseConv2DOptions", kDepthwiseConv2DOptions},
    {"ConcatEmbeddingsOptions", kConcatEmbeddingsOptions},
    {"LSHProjectionOptions", kLSHProjectionOptions},
    {"Pool2DOptions", kPool2DOptions},
    {"SVDFOptions", kSVDFOptions},
    {"RNNOptions", kRNNOptions},
    {"FullyConnectedOptions", kFullyConnectedOptions},
    {"SoftmaxOptions", kSoftmaxOptions},
    {"ConcatenationOptions", kConcatenationOptions},
    {"AddOptions", kAddOptions},
    {"L2NormOptions", kL2NormOptions},
    {"LocalResponseNormalizationOptions", kLocalResponseNormalizationOptions},
    {"LSTMOptions", kLSTMOptions},
    {"ResizeBilinearOptions", kResizeBilinearOptions},
    {"CallOptions", kCallOptions},
    {"ReshapeOptions", kReshapeOptions},
    {"SkipGramOptions", kSkipGramOptions},
    {"SpaceToDepthOptions", kSpaceToDepthOptions},
    {"EmbeddingLookupSparseOptions", kEmbeddingLookupSparseOptions},
    {"MulOptions", kMulOptions},
    {"PadOptions", {}},
    {"GatherOptions", kGatherOptions},
    {"BatchToSpaceNDOptions", {}},
    {"SpaceToBatchNDOptions", {}},
    {"TransposeOptions", {}},
    {"ReducerOptions", kReducerOptions},
    {"SubOptions", kSubOptions},
    {"DivOptions", kDivOptions},
    {"SqueezeOptions", kSqueezeOptions},
    {"SequenceRNNOptions", kSequenceRNNOptions},
    {"StridedSliceOptions", kStridedSliceOptions},
    {"ExpOptions", {}},
    {"TopKV2Options", {}},
    {"SplitOptions", kSplitOptions},
    {"LogSoftmaxOptions", {}},
    {"CastOptions", kCastOptions},
    {"DequantizeOptions", {}},
    {"MaximumMinimumOptions", {}},
    {"ArgMaxOptions", kArgMaxOptions},
    {"LessOptions", {}},
    {"NegOptions", {}},
    {"PadV2Options", {}},
    {"GreaterOptions", {}},
    {"GreaterEqualOptions", {}},
    {"LessEqualOptions", {}},
    {"SelectOptions", {}},
    {"SliceOptions", {}},
    {"TransposeConvOptions", kTransposeConvOptions},
    {"SparseToDenseOptions", kSparseToDenseOptions},
    {"TileOptions", {}},
    {"ExpandDimsOptions", {}},
    {"EqualOptions", {}},
    {"NotEqualOptions", {}},
    {"ShapeOptions", kShapeOptions},
    {"PowOptions", {}},
    {"ArgMinOptions", kArgMinOptions},
    {"FakeQuantOptions", kFakeQuantOptions},
    {"PackOptions", kPackOptions},
    {"LogicalOrOptions", {}},
    {"OneHotOptions", kOneHotOptions},
    {"LogicalAndOptions", {}},
    {"LogicalNotOptions", {}},
    {"UnpackOptions", kUnpackOptions},
    {"FloorDivOptions", {}},
    {"SquareOptions", {}},
    {"ZerosLikeOptions", {}},
    {"FillOptions", {}},
    {"BidirectionalSequenceLSTMOptions", kBidirectionalSequenceLSTMOptions},
    {"BidirectionalSequenceRNNOptions", kBidirectionalSequenceRNNOptions},
    {"UnidirectionalSequenceLSTMOptions", kUnidirectionalSequenceLSTMOptions},
    {"FloorModOptions", {}},
    {"RangeOptions", {}},
    {"ResizeNearestNeighborOptions", kResizeNearestNeighborOptions},
    {"LeakyReluOptions", kLeakyReluOptions},
    {"SquaredDifferenceOptions", {}},
    {"MirrorPadOptions", kMirrorPadOptions},
    {"AbsOptions", {}},
    {"SplitVOptions", kSplitVOptions},
    {"UniqueOptions", kUniqueOptions},
    {"ReverseV2Options", {}},
    {"AddNOptions", {}},
    {"GatherNdOptions", {}},
    {"CosOptions", {}},
    {"WhereOptions", {}},
    {"RankOptions", {}},
    {"ReverseSequenceOptions", kReverseSequenceOptions},
    {"MatrixDiagOptions", {}},
    {"QuantizeOptions", {}},
    {"MatrixSetDiagOptions", {}},
    {"HardSwishOptions", {}},
    {"IfOptions", kIfOptions},
    {"WhileOptions", kWhileOptions},
    {"DepthToSpaceOptions", kDepthToSpaceOptions},
    {"NonMaxSuppressionV4Options", {}},
    {"NonMaxSuppressionV5Options", {}},
    {"ScatterNdOptions", {}},
    {"SelectV2Options", {}},
    {"DensifyOptions", {}},
    {"SegmentSumOptions", {}},
    {"BatchMatMulOptions", kBatchMatMulOptions},
    {"CumsumOptions", kCumsumOptions},
    {"CallOnceOptions", kCallOnceOptions},
    {"BroadcastToOptions", {}},
    {"Rfft2dOptions", {}},
    {"Conv3DOptions", kConv3DOptions},
    {"HashtableOptions", kHashtableOptions},
    {"HashtableFindOptions", {}},
    {"HashtableImportOptions", {}},
    {"HashtableSizeOptions", {}},
    {"VarHandleOptions", kVarHandleOptions},
    {"ReadVariableOptions", {}},
    {"AssignVariableOptions", {}},
    {"RandomOptions", kRandomOptions},
    {"BucketizeOptions", kBucketizeOptions},
    {"GeluOptions", kGeluOptions},
    {"DynamicUpdateSliceOptions", {}},
    {"UnsortedSegmentProdOptions", {}},
    {"UnsortedSegmentMaxOptions", {}},
    {"UnsortedSegmentMinOptions", {}},
    {"UnsortedSegmentSumOptions", {}},
    {"ATan2Options", {}},
    {"SignOptions", {}},
    {"BitcastOptions", {}},
    {"BitwiseXorOptions", {}},
    {"RightShiftOptions", {}},
};

// Indexed by the union type of builtin_options_2; 0 is "none".
inline constexpr OptionTable kBuiltinOptions2[] = {
    {"", {}},
    {"StablehloConcatenateOptions", kStablehloConcatenateOptions},
    {"StablehloBroadcastInDimOptions", kStablehloBroadcastInDimOptions},
    {"StablehloSliceOptions", kStablehloSliceOptions},
    {"StablehloConvolutionOptions", kStablehloConvolutionOptions},
    {"StablehloCustomCallOptions", kStablehloCustomCallOptions},
    {"StablehloReduceOptions", kStablehloReduceOptions},
    {"StablehloScatterOptions", kStablehloScatterOptions},
    {"StablehloCompareOptions", kStablehloCompareOptions},
    {"StablehloDynamicSliceOptions", kStablehloDynamicSliceOptions},
    {"StablehloPadOptions", kStablehloPadOptions},
    {"StablehloIotaOptions", kStablehloIotaOptions},
    {"StablehloDotGeneralOptions", kStablehloDotGeneralOptions},
    {"StablehloReduceWindowOptions", kStablehloReduceWindowOptions},
    {"StablehloSortOptions", kStablehloSortOptions},
    {"StablehloWhileOptions", kStablehloWhileOptions},
    {"StablehloGatherOptions", kStablehloGatherOptions},
    {"StablehloTransposeOptions", kStablehloTransposeOptions},
    {"DilateOptions", {}},
    {"StablehloRngBitGeneratorOptions", kStablehloRngBitGeneratorOptions},
    {"ReduceWindowOptions", kReduceWindowOptions},
    {"StableHLOCompositeOptions", kStableHLOCompositeOptions},
    {"StablehloShiftLeftOptions", {}},
    {"StablehloCaseOptions", kStablehloCaseOptions},
};

}  // namespace subgraft::schema
