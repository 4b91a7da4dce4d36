"""Paths that users give: homes that are not there, loops of links, characters that no path has."""

from pathlib import Path

import pytest

from gazeworld.envs import cache
from gazeworld.envs.files import DataError, expanded, located, printable
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
