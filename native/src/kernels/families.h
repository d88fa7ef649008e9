// One line for each file of kernels; registry.cpp calls them all.
#pragma once

#include "runtime/kernel.h"

namespace subgraft {

void register_activations(Registry& registry);      // LOGISTIC TANH RELU* PRELU LEAKY_RELU HARD_SWISH GELU
void register_arithmetic(Registry& registry);       // ADD SUB MUL DIV MAXIMUM MINIMUM SQUARED_DIFFERENCE FLOOR_DIV
void register_argmax_pooling(Registry& registry);   // MaxPoolingWithArgmax2D MaxUnpooling2D
void register_audio(Registry& registry);            // AudioSpectrogram Mfcc
void register_batch_matmul(Registry& registry);     // BATCH_MATMUL
void register_bitwise(Registry& registry);          // LOGICAL_AND LOGICAL_OR BITWISE_XOR RIGHT_SHIFT
void register_comparison(Registry& registry);       // LESS SELECT SELECT_V2
void register_complex(Registry& registry);          // REAL IMAG COMPLEX_ABS
void register_concatenation(Registry& registry);    // CONCATENATION PACK UNPACK SPLIT SPLIT_V
void register_conv(Registry& registry);             // CONV_2D
void register_conv_3d(Registry& registry);          // CONV_3D CONV_3D_TRANSPOSE
void register_conversion(Registry& registry);       // QUANTIZE DEQUANTIZE CAST
void register_densify(Registry& registry);          // DENSIFY
void register_depthwise_conv(Registry& registry);   // DEPTHWISE_CONV_2D
void register_detection(Registry& registry);        // TFLite_Detection_PostProcess
void register_elementwise(Registry& registry);      // RSQRT SQRT EXP NEG ABS
void register_embedding(Registry& registry);        // EMBEDDING_LOOKUP EMBEDDING_LOOKUP_SPARSE LSH_PROJECTION
void register_fake_quant(Registry& registry);       // FAKE_QUANT
void register_fill(Registry& registry);             // FILL RANGE ONE_HOT
void register_fully_connected(Registry& registry);  // FULLY_CONNECTED
void register_gather(Registry& registry);           // GATHER GATHER_ND
void register_hashtable(Registry& registry);        // HASHTABLE HASHTABLE_IMPORT HASHTABLE_FIND HASHTABLE_SIZE
void register_hlo_gather(Registry& registry);       // STABLEHLO_GATHER
void register_hlo_names(Registry& registry);        // STABLEHLO_ABS ..., which are others' names; after those
void register_hlo_scatter(Registry& registry);      // STABLEHLO_SCATTER
void register_hlo_windows(Registry& registry);      // STABLEHLO_PAD STABLEHLO_REDUCE_WINDOW
void register_landmarks(Registry& registry);        // Landmarks2TransformMatrix
void register_log_softmax(Registry& registry);      // LOG_SOFTMAX
void register_lookup(Registry& registry);           // HASHTABLE_LOOKUP
void register_lstm(Registry& registry);             // LSTM UNIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_LSTM
void register_matrices(Registry& registry);         // MATRIX_DIAG MATRIX_SET_DIAG
void register_more_arithmetic(Registry& registry);  // POW FLOOR_MOD ATAN2 ADD_N
void register_normalization(Registry& registry);    // L2_NORMALIZATION LOCAL_RESPONSE_NORMALIZATION
void register_numeric_verify(Registry& registry);   // NumericVerify
void register_pad(Registry& registry);              // PAD PADV2 MIRROR_PAD
void register_perception(Registry& registry);       // MaxPoolWithArgmax DenseImageWarp
void register_pooling(Registry& registry);          // MAX_POOL_2D AVERAGE_POOL_2D L2_POOL_2D
void register_random(Registry& registry);           // RANDOM_UNIFORM RANDOM_STANDARD_NORMAL MULTINOMIAL
void register_rearrange(Registry& registry);        // TILE BROADCAST_TO REVERSE_V2 SPACE_TO_DEPTH ...
void register_posenet(Registry& registry);          // PosenetDecoderOp
void register_reduction(Registry& registry);        // MEAN SUM REDUCE_* ARG_MAX ARG_MIN
void register_reshape(Registry& registry);          // RESHAPE SQUEEZE EXPAND_DIMS SHAPE
void register_resources(Registry& registry);        // VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE
void register_resize(Registry& registry);           // RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR
void register_rfft(Registry& registry);             // RFFT2D
void register_rnn(Registry& registry);              // RNN UNIDIRECTIONAL_SEQUENCE_RNN BIDIRECTIONAL_SEQUENCE_RNN
void register_rotation(Registry& registry);         // aeq.hadamard_rotation
void register_scatter(Registry& registry);          // SCATTER_ND SPARSE_TO_DENSE DYNAMIC_UPDATE_SLICE
void register_search(Registry& registry);           // WHERE UNIQUE TOPK_V2 BUCKETIZE
void register_segments(Registry& registry);         // SEGMENT_SUM UNSORTED_SEGMENT_*
void register_sequences(Registry& registry);        // CUMSUM REVERSE_SEQUENCE
void register_slice(Registry& registry);            // STRIDED_SLICE SLICE
void register_skip_gram(Registry& registry);        // SKIP_GRAM
void register_softmax(Registry& registry);          // SOFTMAX
void register_stablehlo_pairs(Registry& registry);  // STABLEHLO_ADD STABLEHLO_AND ...
void register_suppression(Registry& registry);      // NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5
void register_svdf(Registry& registry);             // SVDF
void register_transforms(Registry& registry);       // TransformTensorBilinear TransformLandmarks
void register_transpose(Registry& registry);        // TRANSPOSE
void register_transpose_conv(Registry& registry);   // TRANSPOSE_CONV Convolution2DTransposeBias
void register_windows(Registry& registry);          // DILATE REDUCE_WINDOW

}  // namespace subgraft
