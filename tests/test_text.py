"""Text is UTF-8 wherever the library reads or writes it, whatever the locale of the machine says."""

import ast
import json
from pathlib import Path

import pytest

from gazeworld.envs.files import write_text
from gazeworld.scenarios.reports import tables

ROOT = Path(__file__).parent.parent
FILES = sorted(
    p for folder in ("envs", "models", "agents", "scenarios", "scripts") for p in (ROOT / folder).rglob("*.py")
)
OTHERS = {"av", "Image", "os", "webbrowser", "zipfile", "tarfile"}
"""Their `open` opens no text."""


def told(call: ast.Call) -> bool:
    """Whether a call names its encoding, or opens bytes."""
    names = {word.arg for word in call.keywords}
    if names & {"encoding", None}:
        return True
    modes = [word.value for word in call.keywords if word.arg == "mode"] + list(call.args[:2])
    return any(isinstance(mode, ast.Constant) and isinstance(mode.value, str) and "b" in mode.value for mode in modes)


def careless(text: str) -> list[str]:
    """The calls that open, read or write text in whatever encoding the locale has."""
    found = []
    for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
        words = {word.arg: word.value for word in call.keywords}
        match call.func:
            case ast.Name("open") | ast.Attribute(ast.Name("io"), "open") | ast.Attribute(_, "fdopen"):
                wrong = not told(call)
            case ast.Attribute(ast.Name("gzip" | "bz2" | "lzma"), "open"):
                wrong = "encoding" not in words and "t" in "".join(ast.unparse(arg) for arg in call.args[1:2])
            case ast.Attribute(ast.Name(module), "open") if module in OTHERS:
                wrong = False
            case ast.Attribute(_, "open"):
                wrong = not told(call)
            case ast.Attribute(_, "read_text" | "write_text"):
                wrong = "encoding" not in words
            case ast.Attribute(_, "NamedTemporaryFile" | "TemporaryFile" | "SpooledTemporaryFile"):
                wrong = "mode" in words and not told(call)
            case ast.Attribute(_, "TextIOWrapper") | ast.Attribute(_, "FileHandler"):
                wrong = "encoding" not in words
            case _:
                wrong = bool(words.keys() & {"text", "universal_newlines"}) and "encoding" not in words
                wrong = wrong and "subprocess" in ast.unparse(call.func)
        if wrong:
            found.append(f"line {call.lineno}: {ast.unparse(call)}")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_encodings_are_named(file: Path) -> None:
    assert careless(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("open(path)", True), ("open(path, 'w')", True), ("open(path, 'rb')", False), ("path.open()", True),
        ("path.open('a', encoding='utf-8')", False), ("path.open(mode='wb')", False), ("path.read_text()", True),
        ("path.write_text(text, encoding='utf-8')", False), ("write_text(path, text)", False),
        ("os.fdopen(handle, 'w')", True), ("gzip.open(path, 'rt')", True), ("gzip.open(path)", False),
        ("Image.open(path)", False), ("subprocess.run(words, text=True)", True), ("io.TextIOWrapper(raw)", True),
    ],
)  # fmt: skip
def test_what_names_no_encoding_is_found(line: str, wrong: bool) -> None:
    assert bool(careless(line)) is wrong


def test_names_that_are_no_text_come_back_from_what_was_written(tmp_path: Path) -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    tables.write({"run": name, "unit": "R²"}, tmp_path / "probes.json")
    assert json.loads((tmp_path / "probes.json").read_text(encoding="utf-8")) == {"run": name, "unit": "R²"}
    write_text(tmp_path / "page.html", f"<b>{name} → ²</b>")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "<b>caf\\udce9 → ²</b>"
