"""Paths that users give: homes that are not there, loops of links, characters that no path has; and writing at once."""

from pathlib import Path

import pytest

from gazeworld.envs import cache
from gazeworld.envs.files import (
    DataError,
    expanded,
    left_behind,
    located,
    printable,
    remove_folder,
    whole_file,
    whole_folder,
)
from gazeworld.envs.images import load_source

NOBODY = "~nosuchuser/data"
SOURCES = (
    "folder",
    "fashion-mnist",
    "cifar100",
    "stl10",
    "tiny-imagenet",
    "3diebench",
    "packed",
    "meshes",
    "furniture",
)


def test_homes_are_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert expanded("~/data") == Path("/somewhere/data")
    assert expanded(Path("a/~b")) == Path("a/~b")


@pytest.mark.parametrize("source", SOURCES)
def test_a_home_that_is_not_there_is_named_with_the_option(source: str) -> None:
    with pytest.raises(ValueError, match=rf"root of source '{source}' is '~nosuchuser/data', but no such home"):
        load_source(source, root=NOBODY)


def test_the_cache_says_what_to_set_where_there_is_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAZEWORLD_CACHE", NOBODY)
    with pytest.raises(ValueError, match=r"GAZEWORLD_CACHE is '~nosuchuser/data', but no such home"):
        cache.folder()
    monkeypatch.delenv("GAZEWORLD_CACHE")

    def nowhere(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", nowhere)  # as without $HOME for a user whom the system does not know
    with pytest.raises(
        ValueError, match=r"unless GAZEWORLD_CACHE names one, is '~/.cache/gazeworld', but no such home"
    ):
        cache.folder()


def test_loops_and_null_characters_end_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert located(tmp_path / "loop").name == "loop"
    with pytest.raises(DataError, match=r"loop: no such folder"):
        load_source("folder", root=str(tmp_path / "loop"))
    with pytest.raises(ValueError, match=r"root of source 'folder' is 'a\\x00b', expected a path without null"):
        load_source("folder", root="a\0b")


def test_errors_can_be_printed_whatever_the_name_of_the_file() -> None:
    assert printable("a\udce9\ud800é") == r"a\xe9\ud800é"
    assert printable("a\x1b[2J\rb\x9b\nc") == "a\\x1b[2J\\x0db\\x9b\nc"
    assert str(DataError("a\nb: damaged")) == "a\\nb: damaged"
    assert str(DataError("caf\udce9.png: bad")) == r"caf\xe9.png: bad"


@pytest.mark.parametrize("flushed", [True, False])
def test_a_folder_is_there_whole_or_as_it_was(tmp_path: Path, flushed: bool) -> None:
    folder = tmp_path / "a" / "set"
    with whole_folder(folder, flushed=flushed) as draft:
        (draft / "one").write_text("1")
        assert not folder.exists()
    assert [path.name for path in folder.iterdir()] == ["one"]

    def interrupted() -> None:
        with whole_folder(folder, flushed=flushed) as draft:
            (draft / "two").write_text("2")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in folder.iterdir()] == ["one"]
    with whole_folder(folder, flushed=flushed) as draft:
        (draft / "two").write_text("2")
        assert (folder / "one").exists()
    assert [path.name for path in folder.iterdir()] == ["two"]
    remove_folder(folder)
    remove_folder(folder)
    assert not list((tmp_path / "a").iterdir())


@pytest.mark.parametrize("flushed", [True, False])
def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path, flushed: bool) -> None:
    file = tmp_path / "a" / "file"
    with whole_file(file, flushed=flushed) as draft:
        draft.write_text("1")
        assert not file.exists()

    def interrupted() -> None:
        with whole_file(file, flushed=flushed) as draft:
            draft.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.read_text() == "1"
    assert list(file.parent.iterdir()) == [file]


def test_what_kills_leave_is_found_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    for name in (".a.1.draft", ".a.2.old", ".b.3.draft", "a", ".draft", ".a"):
        (folder / name).touch()
    assert sorted(path.name for path in left_behind(folder, "a")) == [".a.1.draft", ".a.2.old"]
    assert len(left_behind(folder)) == len(left_behind(tmp_path, inside="*/")) == 3


def test_a_path_with_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    assert located(tmp_path / "not there") == tmp_path.resolve() / "not there"
    with pytest.raises(ValueError, match=r"^maps is '.* …, \d{4} characters, expected a path with shorter names$"):
        located("x" * 3000, "maps")
