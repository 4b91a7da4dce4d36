"""Text in model files: decoded whatever program wrote it, and its numbers as arrays."""

import codecs
import warnings

import numpy as np

from ..images import DataError


def decoded(data: bytes) -> str:
    """The text of a file, "\\n" at the ends of its lines: Unicode with or without a byte order mark, else Latin-1."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def numbers(text: str, kind: type, name: str, what: str) -> np.ndarray:
    """The numbers in a text, which are `what` in the file `name`; DataError where something else is among them."""
    if not text or text.isspace():
        return np.zeros(0, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what is no number would end the array without further ado
        try:
            return np.fromstring(text, kind, sep=" ")
        except (ValueError, OverflowError, DeprecationWarning) as error:
            raise DataError(f"{name}: {what} hold something that is no number, expected numbers") from error


def whole(word: str, name: str, what: str) -> int:
    """A whole number; DataError saying what it is in the file `name` where the word is none."""
    try:
        return int(word)
    except ValueError as error:
        raise DataError(f"{name}: {what} is {word[:40]!r}, expected a whole number") from error
