"""Files written piece by piece: whatever happens in between, they end with the same bytes."""

import errno
import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from gazeworld.envs import resumable
from gazeworld.envs.files import DataError
from gazeworld.envs.resumable import Recipe, checksum_of, require_room, room_told, whole, write_resumably

THINGS = [bytes([i]) * (i % 5 + 1) for i in range(20)]


class Stop(Exception):
    pass


def recipe(plan: str = "plan", begun: list[int] | None = None, size: int = 3) -> Recipe:
    def pieces(first: int) -> Generator[list[bytes], None, None]:
        if begun is not None:
            begun.append(first)
        for i in range(first, len(THINGS), size):
            yield THINGS[i : i + size]

    return Recipe(plan, b"HEAD", len(THINGS), pieces)


def stopping(at: int) -> "resumable.Callable[[int], None]":
    def told(done: int) -> None:
        if done >= at:
            raise Stop

    return told


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, bytes]:
    (tmp_path / "whole").mkdir()
    write_resumably(tmp_path / "whole/file", recipe(), lambda _: None)
    return listing(tmp_path / "whole")


def test_a_file_is_its_head_and_its_things(expected: dict[str, bytes], tmp_path: Path) -> None:
    assert expected.keys() == {"file", "file.done"}
    assert expected["file"] == b"HEAD" + b"".join(THINGS)
    found = whole(tmp_path / "whole/file", "plan")
    assert found is not None
    assert found.sizes == tuple(map(len, THINGS))
    assert found.checksum == checksum_of(tmp_path / "whole/file")
    begun: list[int] = []
    assert write_resumably(tmp_path / "whole/file", recipe(begun=begun), lambda _: None) == found
    assert begun == []


@pytest.mark.parametrize("at", [0, 3, 11, 18])
@pytest.mark.parametrize("size", [3, 7])
def test_going_on_gives_the_same_bytes(expected: dict[str, bytes], tmp_path: Path, at: int, size: int) -> None:
    file = tmp_path / "file"
    with pytest.raises(Stop):
        write_resumably(file, recipe(), stopping(at))
    assert not file.exists()
    assert whole(file, "plan") is None
    begun: list[int] = []
    write_resumably(file, recipe(begun=begun, size=size), lambda _: None)
    assert begun == [-(-at // 3) * 3]
    shutil.rmtree(tmp_path / "whole")
    assert listing(tmp_path) == expected


DAMAGES = {
    "a piece cut short": lambda part, log: os.truncate(part, 12),
    "a line cut short": lambda part, log: os.truncate(log, log.stat().st_size - 4),
    "more than was said": lambda part, log: part.write_bytes(part.read_bytes() + b"half a piece"),
    "a flipped byte": lambda part, log: part.write_bytes(part.read_bytes()[:6] + b"\xff" + part.read_bytes()[7:]),
    "noise in the log": lambda part, log: log.write_bytes(b"plan\nnoise 1 x\n\xff\xfe 3\n"),
    "no file": lambda part, log: part.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_not_whole_is_made_again(
    expected: dict[str, bytes], tmp_path: Path, damage: "resumable.Callable[[Path, Path], None]"
) -> None:
    file = tmp_path / "file"
    with pytest.raises(Stop):
        write_resumably(file, recipe(), stopping(12))
    damage(tmp_path / "file.part", tmp_path / "file.log")
    write_resumably(file, recipe(), lambda _: None)
    shutil.rmtree(tmp_path / "whole")
    assert listing(tmp_path) == expected


def test_a_kill_at_the_last_step_costs_nothing(expected: dict[str, bytes], tmp_path: Path) -> None:
    file = tmp_path / "file"
    with pytest.raises(Stop):
        write_resumably(file, recipe(), stopping(20))
    begun: list[int] = []
    (tmp_path / "file.part").rename(file)  # killed before it was said to be whole
    write_resumably(file, recipe(begun=begun), lambda _: None)
    assert begun == [20]
    shutil.rmtree(tmp_path / "whole")
    assert listing(tmp_path) == expected


def test_another_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        write_resumably(tmp_path / "file", recipe(), stopping(3))
    with pytest.raises(DataError, match="begun from other data or with other options"):
        write_resumably(tmp_path / "file", recipe("other"), lambda _: None)
    write_resumably(tmp_path / "file", recipe(), lambda _: None)
    with pytest.raises(DataError, match="begun from other data or with other options"):
        write_resumably(tmp_path / "file", recipe("other"), lambda _: None)


def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    def again(done: int) -> None:
        if done == 3:
            write_resumably(tmp_path / "file", recipe(), lambda _: None)

    with pytest.raises(OSError, match="another process is writing it"):
        write_resumably(tmp_path / "file", recipe(), again)


def test_a_full_disk_is_told_in_one_sentence(tmp_path: Path) -> None:
    full = r"the disk is full .*MB more are needed.*what is written so far is kept.*go on"
    with pytest.raises(OSError, match=full), room_told(tmp_path, "go on"):
        require_room(tmp_path, 10**18)
    with pytest.raises(OSError, match="something else"), room_told(tmp_path, "go on"):
        raise OSError(errno.EIO, "something else")
