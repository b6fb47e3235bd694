"""Reading JSON that strangers wrote, without believing any of it.

Separate because no decoder at hand refuses all of: duplicate keys, NaN, lone surrogates, endless nesting.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

# Always ends, at a closing quote or at the end of the text, so no text makes the search quadratic.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
_ROUND = bytes.maketrans(b"[]{}", b"()()")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


class Unreadable(ValueError):
    """The input is not what it should be; the text says why, in words for its sender.

    ``limit`` names the setting that it goes beyond, where that is why.
    """

    def __init__(self, text: str, limit: str = "") -> None:
        super().__init__(text)
        self.limit = limit


def finite_float(digits: str) -> float:
    """A number with a fraction as most readers want it; raise Unreadable for one beyond a float."""
    return finite(float(digits))


def read_json(raw: bytes, *, max_depth: int, max_keys: int, fraction: Callable[[str], Any] = finite_float) -> Any:
    """The value that ``raw`` holds in UTF-8, by the letter of RFC 8259; raise Unreadable otherwise.

    Depth and keys, of all its objects together, are counted before anything is made of them. ``fraction`` makes a
    number from the text of one that has a fraction or an exponent: ``Decimal``, where money is.
    """
    if not is_shallow(raw, max_depth):
        raise Unreadable(f"its brackets do not close, or are nested deeper than {max_depth}", "MAX_DEPTH")
    if not has_few_keys(raw, max_keys):
        raise too_many_keys(max_keys)
    try:
        value = _decoder(fraction).decode(raw.decode())
        if _SURROGATE_ESCAPE.search(raw):
            json.dumps(value, ensure_ascii=False, default=str).encode()  # fails for half a pair
    except Unreadable:
        raise
    except UnicodeError as error:
        raise Unreadable("its text is not Unicode") from error
    except (ValueError, RecursionError) as error:  # ValueError also for a number of thousands of digits
        raise Unreadable("it does not parse") from error
    return value


def is_shallow(raw: bytes, max_depth: int) -> bool:
    """Whether the brackets outside strings all close, at most ``max_depth`` deep.

    Takes a pass per level and no recursion: depth costs nothing and cannot end the process.
    """
    if raw.count(b"[") + raw.count(b"{") <= max_depth:
        return True
    brackets = _STRING.sub(b"", raw).translate(_ROUND, _NO_BRACKETS)
    for _ in range(max_depth):
        outer = brackets.replace(b"()", b"")
        if len(outer) == len(brackets):
            break
        brackets = outer
    return not brackets


def has_few_keys(raw: bytes, max_keys: int) -> bool:
    """Whether there are at most so many keys: a colon outside strings each."""
    return raw.count(b":") <= max_keys or _STRING.sub(b"", raw).count(b":") <= max_keys


def too_many_keys(max_keys: int) -> Unreadable:
    """What is raised for more."""
    return Unreadable(f"its objects have more than {max_keys} keys", "MAX_KEYS")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these members; raise Unreadable when two have one name."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Unreadable("an object has the same key twice")
    return members


def finite(number: float) -> float:
    """The number itself; raise Unreadable for NaN and infinities."""
    if not math.isfinite(number):
        raise Unreadable("a number is not finite")
    return number


def _in_64_bits(digits: str) -> int:
    number = int(digits)
    if not -(2**63) <= number < 2**64:
        raise Unreadable("a number is too large")
    return number


def _no_constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is no number of JSON")


@cache
def _decoder(fraction: Callable[[str], Any]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=unique, parse_int=_in_64_bits, parse_float=fraction, parse_constant=_no_constant
    )
