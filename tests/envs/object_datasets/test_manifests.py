"""JSON files that were edited by hand or damaged: the file and the field are named, whatever stands there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.object_datasets import SIZE, N, V, tree_at

from gazeworld.envs.files import DataError, read_json
from gazeworld.envs.object_datasets import tree_records, tree_summary
from gazeworld.envs.object_datasets.pack_tree import pack
from gazeworld.envs.sources import packed


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    return pack(tree_at(folder / "tree"), folder / "store", SIZE)


WRONG: dict[str, list[tuple[Any, str]]] = {
    "size": [(0, "0, expected a whole number"), (16.0, "16.0"), (True, "true"), (None, "null"), ("16", '"16"')],
    "views": [(0, "0, expected a whole number"), (2**40, str(2**40)), ([3], r"\[3\]")],
    "names": [(None, "null, expected a list of texts"), ([], r"\[\]"), ([1] * N, "1"), ("/a/b/", '"/a/b/"')],
    "classes": [({}, "{}, expected a list of texts"), ([None], r"\[null\]")],
    "splits": [
        (None, "null"),
        ({"train": [0, 3]}, r"expected \[first, last"),
        ({"train": [0, 3.0], "test": [3, N]}, "expected"),
        ({"train": [0, 3], "test": [3]}, "expected"),
        ({"train": [0, True], "test": [1, N]}, "expected"),
        ([0, 3], "expected"),
    ],
    "mean": [([0.5, 0.5], "expected three numbers in"), ([0.5, 0.5, "x"], "three"), ([0.5, 0.5, 1.5], "three")],
    "std": [([0.5, 0.5, 0], "expected three numbers above 0"), ([0.5, 0.5, -1], "above 0"), (None, "above 0")],
    "renderer": [(None, "null, expected a text"), (["x"], "text")],
    "checksums": [(None, "expected a list"), ([1] * N, "list")],
    "fingerprint": [(1, "1, expected a text")],
}


@pytest.mark.parametrize(("field", "value", "says"), [(f, v, s) for f, cases in WRONG.items() for v, s in cases])
def test_a_field_of_a_store_that_is_wrong_is_named(
    store: Path, tmp_path: Path, field: str, value: Any, says: str
) -> None:
    check(store, tmp_path, lambda found: found | {field: value}, rf"pack.json: '{field}' is .*{says}")


CHANGES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda found: {k: v for k, v in found.items() if k != "std"}, r"'std' is missing"),
    (lambda found: {k: v for k, v in found.items() if k != "format"}, r"no 'format' in it"),
    (lambda found: found | {"more": 1}, r"'more' should not be there"),
    (lambda found: None, r"no 'format' in it"),
    (lambda found: [found], r"no 'format' in it"),
    (lambda found: found | {"splits": {"train": [0, 3], "test": [5, N]}}, r"splits .* expected 'train' from 0 and"),
    (lambda found: found | {"splits": {"train": [0, 9], "test": [5, N]}}, r"splits .* expected 'train' from 0 and"),
    (lambda found: found | {"splits": {"train": [0, -1], "test": [-1, N]}}, r"splits .* expected 'train' from 0 and"),
    (lambda found: found | {"splits": {"train": [0, N + 1], "test": [N + 1, N]}}, r"splits .* expected 'train' from"),
    (lambda found: found | {"names": ["/a/../", *found["names"][1:]]}, r"object '/a/../', expected /<synset>"),
    (lambda found: found | {"names": [*found["names"][:1] * 2, *found["names"][2:]]}, r"stands there more than once"),
    (lambda found: found | {"names": ["/a/b/", *found["names"][1:]]}, r"'fingerprint' is .* changed or is damaged"),
]


@pytest.mark.parametrize(("change", "says"), CHANGES)
def test_a_store_whose_manifest_does_not_hold_together_is_named(
    store: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], says: str
) -> None:
    check(store, tmp_path, change, rf"pack.json: .*{says}")


def check(store: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], says: str) -> None:
    shutil.copytree(store, tmp_path / "store")
    path = tmp_path / "store" / "pack.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(DataError, match=says):
        packed.load("train", str(tmp_path / "store"))


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_mean_that_is_no_number_is_named(store: Path, tmp_path: Path, word: str) -> None:
    shutil.copytree(store, tmp_path / "store")
    path = tmp_path / "store" / "pack.json"
    found = json.loads(path.read_text())
    path.write_text(path.read_text().replace(str(found["mean"][1]), word))
    with pytest.raises(DataError, match=rf"pack.json: not a whole JSON file \({word} is no number\)"):
        packed.load("train", str(tmp_path / "store"))
    assert packed.load("train", str(store)).gallery.shape[1] == V


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a whole JSON file .it is empty"),
        (b"  \n", "it is empty"),
        (b'{"a": ', "damaged at line 1, column"),
        (b"\xff\xfe{", "is not text in UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "is nested too deeply"),
        (b'{"a":' * 100_000, "is nested too deeply"),
        (b'{"a": 1, "a": 2}', "'a' stands there more than once"),
        (b'{"a": "\\ud800"}', "not a whole JSON file"),
        (b"1" * 5000, "not a whole JSON file"),
        (b"{} {}", "damaged at line 1, column 4"),
    ],
)
def test_json_that_is_none_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(DataError, match=rf"x\.json: .*{says}.*, expected a list"):
        read_json(tmp_path / "x.json", "a list")


def test_a_byte_order_mark_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"a": "\xc3\xa9 \\ud83d\\ude00"}')
    assert read_json(tmp_path / "x.json", "a list") == {"a": "é \U0001f600"}


@pytest.mark.parametrize(
    "content", ["null", "[]", "1", '{"format": 1}', '{"settings": {}}', '{"format": 1, "settings": [1]}', "{", ""]
)
def test_settings_of_a_set_that_are_none_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "render.json").write_text(content)
    with pytest.raises(DataError, match=r"render\.json: "):
        tree_summary.begin(tmp_path, {"size": 16}, "any")


@pytest.mark.parametrize(
    "change", [{"key": "other/x"}, {"views": "3"}, {"views": True}, {"checksum": 1}, {"failed": None}, {"more": 1}]
)
def test_a_record_that_was_edited_is_none(tmp_path: Path, change: dict[str, Any]) -> None:
    tree_records.fail(tmp_path, "chair/a", "it is broken")
    path = tmp_path / ".records" / "chair" / "a.json"
    assert tree_records.read_record(tmp_path, "chair/a") == tree_records.Record("chair/a", failed="it is broken")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert tree_records.read_record(tmp_path, "chair/a") is None
