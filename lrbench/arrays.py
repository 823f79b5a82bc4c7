"""Types of numpy arrays, named once for the whole package."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bools", "Floats", "Int32s", "Int64s"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
