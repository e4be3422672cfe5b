"""What the ONNX parser of TensorRT reads: operators and the types of their data inputs.

From the parser's own table (onnx/onnx-tensorrt, docs/operators.md) as of TensorRT 10.15, the newest
that was at hand; TensorRT 11.0 only added Swish. Operators that no graph of ours could want
(sequences, strings, images, random numbers, vendor's own) are left out, and so are refused.
"""

from __future__ import annotations

MIN_OPSET, MAX_OPSET = 9, 24  # 25 from TensorRT 11 on

_FLOATS = "float float16 bfloat16"
_NUMBERS = f"{_FLOATS} int32 int64"
_ANY = f"{_NUMBERS} bool"
_BY_TYPES = {
    _FLOATS: (
        "Acos Acosh Asin Asinh Atan Atanh AveragePool BatchNormalization Ceil Celu Clip Conv"
        " ConvTranspose Cos Cosh CumSum Dropout Einsum Elu Erf Exp Floor Gemm GlobalAveragePool"
        " GlobalLpPool GlobalMaxPool GroupNormalization HardSigmoid HardSwish Hardmax"
        " InstanceNormalization IsInf LayerNormalization LeakyRelu Log LogSoftmax LRN LSTM"
        " LpNormalization MatMul MeanVarianceNormalization PRelu QuantizeLinear"
        " Reciprocal Resize RMSNormalization RotaryEmbedding Round Scan Selu Sigmoid Sin Sinh"
        " Softmax Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu Upsample"
    ),
    "float float16": "DeformConv GridSample Mish NonMaxSuppression NonZero RoiAlign",
    "float": "STFT",
    _NUMBERS: (
        "Abs Add ArgMax ArgMin DepthToSpace Div Equal Gelu Greater GreaterOrEqual IsNaN Less"
        " LessOrEqual Max Mean Min Mod Mul Neg Pad Pow Range ReduceL1 ReduceL2 ReduceLogSum"
        " ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare Relu"
        " Shrink Sign SpaceToDepth Sub Sum"
    ),
    _ANY: (
        "Concat ConstantOfShape Expand EyeLike Flatten Gather GatherElements GatherND Identity If"
        " Loop Reshape ReverseSequence Shape Size Slice Split Squeeze Tile Transpose Trilu"
        " Unsqueeze Where"
    ),
    f"{_ANY} uint8": "Cast CastLike",
    f"{_ANY} int8": "Constant",  # int8 to be dequantised
    "bool": "And Not Or Xor",
    "int8": "DequantizeLinear",
}

OPERATORS: dict[str, frozenset[str]] = {
    operator: frozenset(types.split())
    for types, operators in _BY_TYPES.items()
    for operator in operators.split()
}
"""Operator -> ONNX names of the types that its first input may have."""

SAME_TYPE = frozenset({"Pow", "Mod", "Clip", "Concat", "Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators whose inputs all have to be of one type, even where ONNX lets them differ."""
