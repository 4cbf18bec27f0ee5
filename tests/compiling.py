"""What numba loads, and looks up, before it compiles or loads its first function."""

import numba

numba.njit(lambda: None)()
