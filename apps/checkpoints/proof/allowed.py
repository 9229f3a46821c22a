"""The names that a pickle may speak, exactly: torch's own safe ones, and those of files that are loaded by other means.

A prefix such as ``torch.`` would not do: some functions below it run code.
"""

_STORED = ("BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short")
_SPARSE = ("BFloat16", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short")

# Bytes of one element, by the name that a storage or a dtype has in a pickle.
STORAGE_BYTES: dict[str, int] = {
    "torch.BoolStorage": 1, "torch.ByteStorage": 1, "torch.CharStorage": 1, "torch.ShortStorage": 2,
    "torch.IntStorage": 4, "torch.LongStorage": 8, "torch.HalfStorage": 2, "torch.BFloat16Storage": 2,
    "torch.FloatStorage": 4, "torch.DoubleStorage": 8, "torch.ComplexFloatStorage": 8,
    "torch.ComplexDoubleStorage": 16, "torch.QInt8Storage": 1, "torch.QUInt8Storage": 1, "torch.QInt32Storage": 4,
    "torch.QUInt4x2Storage": 1, "torch.QUInt2x4Storage": 1, "torch.storage.UntypedStorage": 1,
    "torch.UntypedStorage": 1,
}  # fmt: skip
DTYPE_BYTES: dict[str, int] = {
    **dict.fromkeys(("torch.float64", "torch.int64", "torch.uint64", "torch.complex64"), 8),
    **dict.fromkeys(("torch.float32", "torch.int32", "torch.uint32", "torch.complex32", "torch.qint32"), 4),
    **dict.fromkeys(("torch.float16", "torch.bfloat16", "torch.int16", "torch.uint16", "torch.bits16"), 2),
    "torch.complex128": 16,
}
_SMALL_DTYPES = (
    *("bool", "int8", "uint8", "qint8", "quint8", "quint4x2", "quint2x4", "bits8", "bits1x8", "bits2x4", "bits4x2"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2"),
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in range(1, 8)),
)
DTYPE_BYTES |= {f"torch.{name}": 1 for name in _SMALL_DTYPES}

_CUDA_STORAGES = {f"torch.cuda.{name}Storage" for name in (*_STORED, "ComplexDouble", "ComplexFloat")}
_TENSORS = {
    *(f"torch.{name}Tensor" for name in _STORED),
    *(f"torch.cuda.{name}Tensor" for name in _STORED),
    *(f"torch.sparse.{name}Tensor" for name in _SPARSE),
    *(f"torch.cuda.sparse.{name}Tensor" for name in _SPARSE),
    "torch.Tensor",
    "torch.nn.parameter.Parameter",
}
_REBUILDERS = {
    "torch._tensor._rebuild_from_type_v2",
    *(f"torch._utils._rebuild_{name}" for name in (
        "device_tensor_from_cpu_tensor", "device_tensor_from_numpy", "meta_tensor_no_storage", "nested_tensor",
        "parameter", "parameter_with_state", "qtensor", "sparse_tensor", "tensor", "tensor_v2", "tensor_v3",
        "wrapper_subclass",
    )),
}  # fmt: skip
_PLAIN = {
    "_codecs.encode", "builtins.bytearray", "builtins.complex", "builtins.set", "collections.Counter",
    "collections.OrderedDict", "torch.Size", "torch.device", "torch.serialization._get_layout",
    "torch.storage.TypedStorage", "torch.storage.UntypedStorage", "torch.per_channel_affine",
    "torch.per_channel_affine_float_qparams", "torch.per_channel_symmetric", "torch.per_tensor_affine",
    "torch.per_tensor_symmetric",
}  # fmt: skip
# What `torch.load(…, weights_only=True)` of torch 2.13 takes without being told.
SAFE_GLOBALS = frozenset(
    {*STORAGE_BYTES, *_CUDA_STORAGES, *DTYPE_BYTES, *_TENSORS, *_REBUILDERS, *_PLAIN} - {"torch.UntypedStorage"}
)

# The state of random number generators holds a numpy array: Trainer and Accelerate load it with these as well.
RNG_GLOBALS = SAFE_GLOBALS | {
    "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray._reconstruct",
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.dtypes.UInt32DType",
}

# torch.distributed.checkpoint reads its `.metadata` by a plain unpickler, so nothing else may stand in it.
_DISTRIBUTED = "torch.distributed.checkpoint"
METADATA_GLOBALS = SAFE_GLOBALS | {
    *(f"{_DISTRIBUTED}.metadata.{name}" for name in (
        "Metadata", "TensorStorageMetadata", "TensorProperties", "ChunkStorageMetadata", "MetadataIndex",
        "BytesStorageMetadata", "StorageMeta", "_MEM_FORMAT_ENCODING",
    )),
    f"{_DISTRIBUTED}.filesystem._StorageInfo",
    f"{_DISTRIBUTED}.filesystem._StoragePrefix",
    "torch.distributed._shard.sharded_tensor.metadata.TensorProperties",
    "torch.distributed._shard.sharded_tensor.metadata.MEM_FORMAT_ENCODING",
    "torch.strided",
    "pathlib.PosixPath",
    "pathlib._local.PosixPath",
}  # fmt: skip


def element_bytes(storage: str) -> int | None:
    """Return the bytes of one element of a storage class, on whichever device; None for one that is not known."""
    return STORAGE_BYTES.get(storage.replace("torch.cuda.", "torch."))
