"""Java's properties files: keys and values in ISO 8859-1 with escapes, as catalogues of furniture are written."""

import re

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_PLAIN = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_PAIR = re.compile(r"((?:\\.|[^\\=:\s])*)\s*[=:]?\s*(.*)", re.DOTALL)


def properties(data: bytes) -> dict[str, str]:
    """The pairs of a properties file; of a key that is given twice the last one.

    Lines that begin with # or ! are comments, a backslash at a line's end continues it, and key and value are apart
    by =, : or blanks.
    """
    found: dict[str, str] = {}
    pending = ""
    for line in (*re.split(r"\r\n|\n|\r", data.decode("latin-1")), ""):
        line = line.lstrip(" \t\f")
        if not pending and line[:1] in ("", "#", "!"):
            continue
        pending += line
        if (len(pending) - len(pending.rstrip("\\"))) % 2:  # an odd number of backslashes: the last one continues
            pending = pending[:-1]
            continue
        key, value = _PAIR.fullmatch(pending).groups()  # type: ignore[union-attr]
        found[_unescaped(key)] = _unescaped(value)
        pending = ""
    return found


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    # Java writes characters beyond 16 bits as two escapes.
    return _ESCAPE.sub(_character, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(match: re.Match[str]) -> str:
    """What an escape stands for."""
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) == 5 else _PLAIN.get(code, code)
