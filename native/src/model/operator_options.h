// Which options table belongs to which builtin operator, for operators that are written without naming it.
#pragma once

namespace subgraft::schema {

// Indexed by builtin code, as kBuiltinOperatorNames; empty: the operator has no options.
inline constexpr const char* kOperatorOptions[] = {
    "AddOptions", "Pool2DOptions", "ConcatenationOptions", "Conv2DOptions", "DepthwiseConv2DOptions",
    "DepthToSpaceOptions", "DequantizeOptions", "", "", "FullyConnectedOptions", "", "L2NormOptions",
    "Pool2DOptions", "LocalResponseNormalizationOptions", "", "LSHProjectionOptions", "LSTMOptions",
    "Pool2DOptions", "MulOptions", "", "", "", "ReshapeOptions", "ResizeBilinearOptions", "RNNOptions",
    "SoftmaxOptions", "SpaceToDepthOptions", "SVDFOptions", "", "ConcatEmbeddingsOptions", "SkipGramOptions",
    "CallOptions", "", "EmbeddingLookupSparseOptions", "PadOptions", "SequenceRNNOptions", "GatherOptions",
    "BatchToSpaceNDOptions", "SpaceToBatchNDOptions", "TransposeOptions", "ReducerOptions", "SubOptions",
    "DivOptions", "SqueezeOptions", "UnidirectionalSequenceLSTMOptions", "StridedSliceOptions",
    "BidirectionalSequenceRNNOptions", "ExpOptions", "TopKV2Options", "SplitOptions", "LogSoftmaxOptions", "",
    "BidirectionalSequenceLSTMOptions", "CastOptions", "", "MaximumMinimumOptions", "ArgMaxOptions",
    "MaximumMinimumOptions", "LessOptions", "NegOptions", "PadV2Options", "GreaterOptions", "GreaterEqualOptions",
    "LessEqualOptions", "SelectOptions", "SliceOptions", "", "TransposeConvOptions", "SparseToDenseOptions",
    "TileOptions", "ExpandDimsOptions", "EqualOptions", "NotEqualOptions", "", "ReducerOptions", "", "",
    "ShapeOptions", "PowOptions", "ArgMinOptions", "FakeQuantOptions", "ReducerOptions", "ReducerOptions",
    "PackOptions", "LogicalOrOptions", "OneHotOptions", "LogicalAndOptions", "LogicalNotOptions", "UnpackOptions",
    "ReducerOptions", "FloorDivOptions", "ReducerOptions", "SquareOptions", "ZerosLikeOptions", "FillOptions",
    "FloorModOptions", "RangeOptions", "ResizeNearestNeighborOptions", "LeakyReluOptions",
    "SquaredDifferenceOptions", "MirrorPadOptions", "AbsOptions", "SplitVOptions", "UniqueOptions", "",
    "ReverseV2Options", "AddNOptions", "GatherNdOptions", "CosOptions", "WhereOptions", "RankOptions", "",
    "ReverseSequenceOptions", "MatrixDiagOptions", "QuantizeOptions", "MatrixSetDiagOptions", "",
    "HardSwishOptions", "IfOptions", "WhileOptions", "NonMaxSuppressionV4Options", "NonMaxSuppressionV5Options",
    "ScatterNdOptions", "SelectV2Options", "DensifyOptions", "SegmentSumOptions", "BatchMatMulOptions", "",
    "CumsumOptions", "CallOnceOptions", "BroadcastToOptions", "Rfft2dOptions", "Conv3DOptions", "", "", "",
    "HashtableOptions", "HashtableFindOptions", "HashtableImportOptions", "HashtableSizeOptions", "ReducerOptions",
    "Conv3DOptions", "VarHandleOptions", "ReadVariableOptions", "AssignVariableOptions", "", "RandomOptions",
    "BucketizeOptions", "RandomOptions", "RandomOptions", "GeluOptions", "DynamicUpdateSliceOptions", "",
    "UnsortedSegmentProdOptions", "UnsortedSegmentMaxOptions", "UnsortedSegmentSumOptions", "ATan2Options",
    "UnsortedSegmentMinOptions", "SignOptions", "BitcastOptions", "BitwiseXorOptions", "RightShiftOptions", "", "",
    "", "", "", "", "", "StablehloConcatenateOptions", "StablehloBroadcastInDimOptions",
    "StablehloConvolutionOptions", "StablehloSliceOptions", "StablehloCustomCallOptions", "StablehloReduceOptions",
    "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "StablehloScatterOptions",
    "StablehloCompareOptions", "", "StablehloDynamicSliceOptions", "", "StablehloPadOptions",
    "StablehloIotaOptions", "StablehloDotGeneralOptions", "StablehloReduceWindowOptions", "StablehloSortOptions",
    "StablehloWhileOptions", "StablehloGatherOptions", "StablehloTransposeOptions", "DilateOptions",
    "StablehloRngBitGeneratorOptions", "ReduceWindowOptions", "StableHLOCompositeOptions",
    "StablehloShiftLeftOptions", "", "StablehloCaseOptions",
};

}  // namespace subgraft::schema
