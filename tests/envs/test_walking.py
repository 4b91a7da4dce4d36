"""Trees of files with links of all kinds, special files, and names that are not UTF-8."""

import os
import socket
from pathlib import Path

import pytest

from gazeworld.envs.files import DataError
from gazeworld.envs.walking import NOT_DATA, Tree, is_data, subfolders, walk


def tree(root: Path, *names: str) -> Path:
    for name in names or ("cat/0.png", "cat/deep/1.PNG", "dog/2.png", "dog/notes.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def found(root: Path, labels: int = 1, tops: list[str] | None = None) -> list[str]:
    files = walk(root, (".png",), "an image", labels=labels, tops=tops).files
    return [path.relative_to(root).as_posix() for path in files]


PLAIN = ["cat/0.png", "cat/deep/1.PNG", "dog/2.png"]


def test_files_are_found_at_any_depth_in_order(tmp_path: Path) -> None:
    assert found(tree(tmp_path)) == PLAIN
    assert len(walk(tmp_path).files) == 4
    assert found(tmp_path, tops=["dog"]) == ["dog/2.png"]
    assert subfolders(tmp_path) == ["cat", "dog"]


@pytest.mark.parametrize("name", [".ipynb_checkpoints", ".thumbnails", ".hidden", *NOT_DATA])
@pytest.mark.parametrize("below", ["", "cat", "cat/deep"])
def test_what_systems_leave_is_no_data(tmp_path: Path, name: str, below: str) -> None:
    tree(tmp_path)
    tree(tmp_path / below / name, "copy.png", "below/copy.png")
    assert found(tmp_path) == PLAIN
    assert subfolders(tmp_path) == ["cat", "dog"]
    assert not is_data(name)


@pytest.mark.parametrize("place", ["up", "cat/up", "cat/deep/up"])
@pytest.mark.parametrize("target", [".", "..", "../..", "../../.."])
def test_links_that_lead_up_are_not_entered(tmp_path: Path, place: str, target: str) -> None:
    root = tree(tmp_path / "set")
    tree(tmp_path, "beside/3.png")
    (root / place).symlink_to(target)
    assert found(root) == PLAIN
    assert subfolders(root) == ["cat", "dog"]


def test_folders_that_link_to_each_other_are_read_once(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "cat" / "d").symlink_to("../dog")
    (tmp_path / "dog" / "c").symlink_to(tmp_path / "cat")
    (tmp_path / "dog" / "e").symlink_to(tmp_path / "cat" / "deep")
    assert found(tmp_path) == PLAIN


def test_links_to_elsewhere_are_followed(tmp_path: Path) -> None:
    tree(tmp_path / "store")
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
    (tmp_path / "set/cat/more").symlink_to(tmp_path / "store/cat")
    (tmp_path / "set/dog/x.png").symlink_to(tmp_path / "store/dog/2.png")
    assert found(tmp_path / "set") == ["cat/more/0.png", "cat/more/deep/1.PNG", "dog/x.png"]
    (tmp_path / "linked").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "linked" / name).symlink_to(tmp_path / "store" / name)
    (tmp_path / "store/cat/d").symlink_to(tmp_path / "linked/dog")
    (tmp_path / "store/dog/c").symlink_to(tmp_path / "store")
    assert found(tmp_path / "linked") == PLAIN
    assert subfolders(tmp_path / "linked") == ["cat", "dog"]


def test_nothing_is_read_under_two_labels(tmp_path: Path) -> None:
    tree(tmp_path / "set")
    tree(tmp_path / "store", "3.png", "below/4.png")
    (tmp_path / "set/kitten").symlink_to("cat")
    with pytest.raises(DataError, match=r"kitten: is the same folder as \S+cat, expected one of its own"):
        found(tmp_path / "set")
    (tmp_path / "set/kitten").unlink()
    (tmp_path / "set/cat/s").symlink_to(tmp_path / "store")
    (tmp_path / "set/cat/t").symlink_to(tmp_path / "store")  # the same label: read once
    assert found(tmp_path / "set") == [PLAIN[0], "cat/deep/1.PNG", "cat/s/3.png", "cat/s/below/4.png", PLAIN[2]]
    (tmp_path / "set/dog/s").symlink_to(tmp_path / "store/below")
    with pytest.raises(DataError, match=r"dog/s: leads to the same folder as \S+cat/s/below"):
        found(tmp_path / "set")


def test_a_file_is_linked_within_its_label_only(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "cat" / "again.png").symlink_to("0.png")
    walked = walk(tmp_path, (".png",), "an image")
    assert walked.aliases == {tmp_path / "cat/again.png": tmp_path / "cat/0.png"}
    (tmp_path / "dog" / "again.png").symlink_to("../cat/0.png")
    with pytest.raises(DataError, match=r"dog/again.png: leads to the same file as \S+cat/0.png, expected an image in"):
        found(tmp_path)


def test_splits_are_labels_too(tmp_path: Path) -> None:
    tree(tmp_path, "train/cat/0.png", "test/cat/1.png")
    (tmp_path / "val").symlink_to("train")
    assert found(tmp_path, 2, ["train", "test"]) == ["test/cat/1.png", "train/cat/0.png"]
    with pytest.raises(DataError, match=r"val: is the same folder as"):
        found(tmp_path, 2, ["train", "val"])
    (tmp_path / "test/dog").symlink_to("../train/cat")
    with pytest.raises(DataError, match=r"test/dog: is the same folder as \S+train/cat"):
        found(tmp_path, 2, ["train", "test"])


@pytest.mark.parametrize("name", ["cat/gone.png", "gone", "cat/gone", "cat/loop"])
def test_links_that_lead_nowhere_are_named(tmp_path: Path, name: str) -> None:
    tree(tmp_path)
    (tmp_path / name).symlink_to("loop" if name.endswith("loop") else "nowhere")
    with pytest.raises(DataError, match=rf"{name}: a link to \w+, which cannot be reached"):
        found(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_special_files_are_named_and_not_opened(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path)
    monkeypatch.chdir(tmp_path / "cat")  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX) as door:
        if kind == "pipe":
            os.mkfifo("x.png")
        elif kind == "socket":
            door.bind("x.png")
        else:
            Path("x.png").symlink_to("/dev/null")
        with pytest.raises(DataError, match=rf"cat/x.png: is a .*{kind}, expected an image in a regular file"):
            found(tmp_path)
        Path("x.png").rename("x.txt")
        assert found(tmp_path) == PLAIN
        assert len(walk(tmp_path).files) == 4


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path)
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "deep":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        with pytest.raises(DataError, match=r"cat/deep: cannot be looked into \(Permission denied\)"):
            found(tmp_path)


def test_names_that_are_not_utf8_can_be_printed(tmp_path: Path) -> None:
    tree(tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path / "cat") + b"/caf\xe9.png")).symlink_to("nowhere")
    with pytest.raises(DataError, match=r"cat/caf\\xe9.png: a link to") as caught:
        found(tmp_path)
    str(caught.value).encode()


@pytest.mark.parametrize("labels", [1, 2])
def test_folders_without_such_files_may_be_shared_by_all(tmp_path: Path, labels: int) -> None:
    tree(tmp_path / "tree")
    tree(tmp_path / "shared", "wood.jpg")
    for name in ("cat", "dog"):
        (tmp_path / "tree" / name / "textures").symlink_to(tmp_path / "shared")
    assert found(tmp_path / "tree", labels) == PLAIN
    tree(tmp_path / "shared", "3.png")
    with pytest.raises(DataError, match=r"textures: (is|leads to) the same folder"):
        found(tmp_path / "tree", labels)


def test_a_folder_is_looked_into_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path)
    (tmp_path / "cat/again.png").symlink_to("0.png")
    scandir, looked = os.scandir, []
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", lambda path: looked.append(path) or scandir(path))
        whole = Tree(tmp_path)
        assert [whole.subfolders(), whole.subfolders("cat"), whole.subfolders("dog")] == [["cat", "dog"], ["deep"], []]
        found = whole.walk((".png",), "an image")
    assert found.names == ["cat/0.png", "cat/again.png", "cat/deep/1.PNG", "dog/2.png"]
    assert found.aliases == {"cat/again.png": "cat/0.png"}
    assert sorted(looked) == sorted(str(tmp_path / name) for name in ("", "cat", "cat/deep", "dog"))
    for name, seen in whole.looked.items():
        assert seen.time == (tmp_path / name).stat().st_mtime_ns
