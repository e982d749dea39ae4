"""Compiled loops whose machine code is kept between runs."""

from __future__ import annotations

from functools import cache
from typing import Any


def kept(function: Any) -> Any:
    """`function` compiled by Numba without fast-math, cached beside its source or in the user's folder.

    Where neither can be written, as in a locked-down unit without NUMBA_CACHE_DIR, it is compiled
    anew in each process. Numba's cache looks only at the function's own file: a caller whose loop
    uses other sources keeps their digest in the function's closure.
    """
    import numba

    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True)(function)


def callable_in_loops(*functions: Any, inline: bool = False) -> None:
    """Let compiled loops call plain functions, which stay what they are for everyone else.

    inline  write them into the loop: for those that take arrays, whose counting of references costs
            more than a short call is worth
    """
    for function in functions:
        _registered(function, inline)


@cache
def _registered(function: Any, inline: bool) -> Any:
    """Once for each function, however many loops ask: a second registration would be ambiguous."""
    from numba.extending import register_jitable

    return register_jitable(inline="always" if inline else "never")(function)
