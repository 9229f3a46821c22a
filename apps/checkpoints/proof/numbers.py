"""Looking for NaN and infinity in the raw bytes of weights: an exponent of ones only, whatever the mantissa."""

from collections.abc import Callable

import numpy as np

# (unsigned type of the same width, mask of the exponent) by storage class or safetensors dtype
_EXPONENTS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(("Half", "F16"), ("<u2", 0x7C00)),
    **dict.fromkeys(("BFloat16", "BF16"), ("<u2", 0x7F80)),
    **dict.fromkeys(("Float", "ComplexFloat", "F32", "C64"), ("<u4", 0x7F800000)),
    **dict.fromkeys(("Double", "ComplexDouble", "F64"), ("<u8", 0x7FF0000000000000)),
}
Count = Callable[[bytes], int]


def counter_of(kind: str) -> Count | None:
    """Return a function that counts the values that are no numbers in a piece of a storage; None for integers.

    ``kind`` is a storage class such as ``torch.FloatStorage``, or a dtype of safetensors. Pieces hold whole elements.
    """
    found = _EXPONENTS.get(kind.rpartition(".")[2].removesuffix("Storage"))
    if found is None:
        return None
    unsigned, mask = np.dtype(found[0]), found[1]

    def count(piece: bytes) -> int:
        values = np.frombuffer(piece[: len(piece) // unsigned.itemsize * unsigned.itemsize], dtype=unsigned)
        return int(np.count_nonzero((values & unsigned.type(mask)) == mask))

    return count
