// One line for each file of kernels; registry.cpp calls them all.
#pragma once

#include "runtime/kernel.h"

// Marked so that the linker puts them next to each other: each runs once, and reading a page of code for each of them
// would take megabytes.
#define SUBGRAFT_ONCE [[gnu::cold]]

namespace subgraft {

SUBGRAFT_ONCE void register_activations(Registry& registry);  // LOGISTIC TANH RELU* PRELU LEAKY_RELU HARD_SWISH GELU
SUBGRAFT_ONCE void register_arithmetic(
    Registry& registry);  // ADD SUB MUL DIV MAXIMUM MINIMUM SQUARED_DIFFERENCE FLOOR_DIV
SUBGRAFT_ONCE void register_argmax_pooling(Registry& registry);  // MaxPoolingWithArgmax2D MaxUnpooling2D
SUBGRAFT_ONCE void register_audio(Registry& registry);           // AudioSpectrogram Mfcc
SUBGRAFT_ONCE void register_batch_matmul(Registry& registry);    // BATCH_MATMUL
SUBGRAFT_ONCE void register_bitwise(Registry& registry);         // LOGICAL_AND LOGICAL_OR BITWISE_XOR RIGHT_SHIFT
SUBGRAFT_ONCE void register_comparison(Registry& registry);      // LESS SELECT SELECT_V2
SUBGRAFT_ONCE void register_complex(Registry& registry);         // REAL IMAG COMPLEX_ABS
SUBGRAFT_ONCE void register_concatenation(Registry& registry);   // CONCATENATION PACK UNPACK SPLIT SPLIT_V
SUBGRAFT_ONCE void register_conv(Registry& registry);            // CONV_2D
SUBGRAFT_ONCE void register_conv_3d(Registry& registry);         // CONV_3D CONV_3D_TRANSPOSE
SUBGRAFT_ONCE void register_conversion(Registry& registry);      // QUANTIZE DEQUANTIZE CAST
SUBGRAFT_ONCE void register_densify(Registry& registry);         // DENSIFY
SUBGRAFT_ONCE void register_depthwise_conv(Registry& registry);  // DEPTHWISE_CONV_2D
SUBGRAFT_ONCE void register_detection(Registry& registry);       // TFLite_Detection_PostProcess
SUBGRAFT_ONCE void register_elementwise(Registry& registry);     // RSQRT SQRT EXP NEG ABS
SUBGRAFT_ONCE void register_embedding(Registry& registry);   // EMBEDDING_LOOKUP EMBEDDING_LOOKUP_SPARSE LSH_PROJECTION
SUBGRAFT_ONCE void register_fake_quant(Registry& registry);  // FAKE_QUANT
SUBGRAFT_ONCE void register_fill(Registry& registry);        // FILL RANGE ONE_HOT
SUBGRAFT_ONCE void register_fully_connected(Registry& registry);  // FULLY_CONNECTED
SUBGRAFT_ONCE void register_gather(Registry& registry);           // GATHER GATHER_ND
SUBGRAFT_ONCE void register_hashtable(Registry& registry);   // HASHTABLE HASHTABLE_IMPORT HASHTABLE_FIND HASHTABLE_SIZE
SUBGRAFT_ONCE void register_hlo_gather(Registry& registry);  // STABLEHLO_GATHER
SUBGRAFT_ONCE void register_hlo_names(Registry& registry);   // STABLEHLO_ABS ..., which are others' names; after those
SUBGRAFT_ONCE void register_hlo_scatter(Registry& registry);  // STABLEHLO_SCATTER
SUBGRAFT_ONCE void register_hlo_windows(Registry& registry);  // STABLEHLO_PAD STABLEHLO_REDUCE_WINDOW
SUBGRAFT_ONCE void register_landmarks(Registry& registry);    // Landmarks2TransformMatrix
SUBGRAFT_ONCE void register_log_softmax(Registry& registry);  // LOG_SOFTMAX
SUBGRAFT_ONCE void register_lookup(Registry& registry);       // HASHTABLE_LOOKUP
SUBGRAFT_ONCE void register_lstm(Registry& registry);  // LSTM UNIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_LSTM
SUBGRAFT_ONCE void register_matrices(Registry& registry);         // MATRIX_DIAG MATRIX_SET_DIAG
SUBGRAFT_ONCE void register_more_arithmetic(Registry& registry);  // POW FLOOR_MOD ATAN2 ADD_N
SUBGRAFT_ONCE void register_normalization(Registry& registry);    // L2_NORMALIZATION LOCAL_RESPONSE_NORMALIZATION
SUBGRAFT_ONCE void register_numeric_verify(Registry& registry);   // NumericVerify
SUBGRAFT_ONCE void register_pad(Registry& registry);              // PAD PADV2 MIRROR_PAD
SUBGRAFT_ONCE void register_perception(Registry& registry);       // MaxPoolWithArgmax DenseImageWarp
SUBGRAFT_ONCE void register_pooling(Registry& registry);          // MAX_POOL_2D AVERAGE_POOL_2D L2_POOL_2D
SUBGRAFT_ONCE void register_random(Registry& registry);           // RANDOM_UNIFORM RANDOM_STANDARD_NORMAL MULTINOMIAL
SUBGRAFT_ONCE void register_rearrange(Registry& registry);        // TILE BROADCAST_TO REVERSE_V2 SPACE_TO_DEPTH ...
SUBGRAFT_ONCE void register_posenet(Registry& registry);          // PosenetDecoderOp
SUBGRAFT_ONCE void register_reduction(Registry& registry);        // MEAN SUM REDUCE_* ARG_MAX ARG_MIN
SUBGRAFT_ONCE void register_reshape(Registry& registry);          // RESHAPE SQUEEZE EXPAND_DIMS SHAPE
SUBGRAFT_ONCE void register_resources(Registry& registry);        // VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE
SUBGRAFT_ONCE void register_resize(Registry& registry);           // RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR
SUBGRAFT_ONCE void register_rfft(Registry& registry);             // RFFT2D
SUBGRAFT_ONCE void register_rnn(Registry& registry);       // RNN UNIDIRECTIONAL_SEQUENCE_RNN BIDIRECTIONAL_SEQUENCE_RNN
SUBGRAFT_ONCE void register_rotation(Registry& registry);  // aeq.hadamard_rotation
SUBGRAFT_ONCE void register_scatter(Registry& registry);   // SCATTER_ND SPARSE_TO_DENSE DYNAMIC_UPDATE_SLICE
SUBGRAFT_ONCE void register_search(Registry& registry);    // WHERE UNIQUE TOPK_V2 BUCKETIZE
SUBGRAFT_ONCE void register_segments(Registry& registry);  // SEGMENT_SUM UNSORTED_SEGMENT_*
SUBGRAFT_ONCE void register_sequences(Registry& registry);        // CUMSUM REVERSE_SEQUENCE
SUBGRAFT_ONCE void register_slice(Registry& registry);            // STRIDED_SLICE SLICE
SUBGRAFT_ONCE void register_skip_gram(Registry& registry);        // SKIP_GRAM
SUBGRAFT_ONCE void register_softmax(Registry& registry);          // SOFTMAX
SUBGRAFT_ONCE void register_stablehlo_pairs(Registry& registry);  // STABLEHLO_ADD STABLEHLO_AND ...
SUBGRAFT_ONCE void register_suppression(Registry& registry);      // NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5
SUBGRAFT_ONCE void register_svdf(Registry& registry);             // SVDF
SUBGRAFT_ONCE void register_transforms(Registry& registry);       // TransformTensorBilinear TransformLandmarks
SUBGRAFT_ONCE void register_transpose(Registry& registry);        // TRANSPOSE
SUBGRAFT_ONCE void register_transpose_conv(Registry& registry);   // TRANSPOSE_CONV Convolution2DTransposeBias
SUBGRAFT_ONCE void register_windows(Registry& registry);          // DILATE REDUCE_WINDOW

}  // namespace subgraft

#undef SUBGRAFT_ONCE
