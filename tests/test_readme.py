"""What README.md and the pages of measured results say is there, runs, and fits the command line."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from fakes.runs import trained

from gazeworld.scenarios.commands import _main

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
SCENARIOS = [p for p in sorted((ROOT / "scenarios").glob("*.py")) if not p.name.startswith("_")]
PAGES = [README, *sorted((ROOT / "scenarios").glob("*.md")), ROOT / "scenarios/bench/README.md"]
HEADINGS = ["Claim", "Command", "Table", "Figure", "What failed", "What differs from the paper"]
COMMAND = re.compile(r"gazeworld [a-z][^`]*")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language ("": of none)."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == language]


def section(text: str, heading: str) -> str:
    """What stands below a heading of the second level."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no heading {heading!r}"
    return found[1]


def test_the_front_door_is_short() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 250
    rows = [line for line in section("\n".join(lines), "Results").splitlines() if line.startswith("|")]
    assert 3 <= len(rows) <= 2 + 10


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert links
    for link in links:
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{name_of(page)}: {link}"
        if anchor:
            found = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in found}, link


def test_every_picture_is_shown_somewhere_and_small() -> None:
    said = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in (ROOT / "scenarios/pictures").iterdir():
        assert f"pictures/{picture.name}" in said
        assert picture.stat().st_size < 1_000_000, picture.name


@pytest.mark.parametrize("file", SCENARIOS, ids=name_of)
def test_every_scenario_has_a_page(file: Path) -> None:
    page, name = file.with_suffix(".md"), file.stem.replace("_", "-")
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    assert f"`{name}`" in text.splitlines()[0]
    assert all(section(text, heading).strip() for heading in HEADINGS)
    assert f"gazeworld train {name}" in section(text, "Command")
    assert f"[{name}]({page.name})" in (ROOT / "scenarios/README.md").read_text(encoding="utf-8")
    assert f"scenarios/{page.name}" in file.read_text(encoding="utf-8").split('"""')[1]


def commands(text: str) -> Iterator[list[str]]:
    """The words of all command lines in a text, whether in a block or within a sentence."""
    for block in blocks(text, ""):
        variables: dict[str, str] = {}
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if given := re.fullmatch(r'(\w+)="(.*)"', line.strip()):
                variables[given[1]] = given[2]
            for name, value in variables.items():
                line = line.replace(f"${name}", value)
            for found in COMMAND.findall(line.partition(" #")[0]):
                yield shlex.split(found.rstrip('"'))[1:]
    for found in re.findall(r"`([^`]*)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)):
        if COMMAND.fullmatch(found):
            yield shlex.split(found)[1:]
    docstring = text.split('"""')[1] if text.startswith('"""') else ""
    for line in docstring.splitlines():
        if line.strip().startswith("gazeworld "):
            yield shlex.split(re.split(r"\s{2,}", line.strip())[0])[1:]


@cache
def usage(*words: str) -> str:
    """What `gazeworld WORDS --help` prints, in lines wide enough for every option."""
    told = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(told), suppress(SystemExit):
        patch.setenv("COLUMNS", "400")
        _main.main([*words, "--help"])
    return told.getvalue()


def helped(words: list[str]) -> str:
    """The help that lists what these words may say; a run's own is not there, so that of a scenario stands for it."""
    match words:
        case ["evaluate", *_]:
            return usage("train", "saccade-digits")
        case ["train" | "train-jointly" as command, scenario, *_]:  # or the folder of a run, to go on with
            run = scenario in ("SCENARIO", "RUN") or "/" in scenario
            return usage(command, "saccade-digits" if run else scenario)
        case ["bench", "step", scenario, *_]:
            return usage("bench", "step", scenario.replace("SCENARIO", "saccade-digits"))
        case ["data", "record" as kind, scenario, *_]:
            return usage("data", kind, scenario.replace("SCENARIO", "saccade-digits"))
        case ["bench" | "data" as command, kind, *_]:
            return usage(command, kind)
        case _:
            return usage(words[0])


@pytest.mark.parametrize("page", [*PAGES, *SCENARIOS], ids=name_of)
def test_command_lines_are_known(page: Path) -> None:
    lines = list(commands(page.read_text(encoding="utf-8")))
    assert lines or page.parent.name == "scenarios"
    for words in lines:
        known = usage()
        assert re.search(rf"^  {words[0]}\b", known, re.MULTILINE), f"{name_of(page)}: {words}"
        told = helped(words)
        for option in (word.partition("=")[0] for word in words if word.startswith("--")):
            spelt = option.replace("_", "-")
            assert re.search(rf"{re.escape(spelt)}[\s,|]", told), f"{name_of(page)}: {option} of {' '.join(words)}"


def python(tmp_path: Path, *lines: str) -> str:
    """What a file of these lines prints when a newcomer runs it in a folder of its own."""
    file = tmp_path / "pasted.py"
    file.write_text("\n".join(lines), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, file.name], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_sixty_seconds_and_the_policy_run_as_pasted(tmp_path: Path) -> None:
    """The policy learns for fewer steps."""
    text = README.read_text(encoding="utf-8")
    (tour,), (policy,) = (blocks(section(text, head), "python") for head in ("Sixty seconds", "Learn where to look"))
    assert "steps=16_384, every=4096" in policy
    told = python(tmp_path, tour, policy.replace("steps=16_384, every=4096", "steps=2048, every=1024"))
    found = re.search(r"R² of the displacement between two views: (\d\.\d\d)", told)
    assert found
    assert float(found[1]) > 0.66  # that of an untrained encoder is about 0.6
    found = re.search(r"(\d+)% begin there, (\d+)% are there within three saccades", told)
    assert found
    assert 2 * int(found[1]) < int(found[2])
    assert (tmp_path / "learnt.png").read_bytes().startswith(b"\x89PNG")


def test_environments_run_as_pasted(tmp_path: Path) -> None:
    (block,) = blocks(section(README.read_text(encoding="utf-8"), "Environments"), "python")
    python(
        tmp_path,
        block,
        "assert observation['view'].shape == (512, 36, 36, 1) and observation['pose'].shape == (512, 2)",
    )


def test_what_other_people_bring_runs_as_pasted(tmp_path: Path) -> None:
    """A run and images in place of the reader's own, and fewer steps."""
    (block,) = blocks(section(README.read_text(encoding="utf-8"), "Your own data, models and tools"), "python")
    run = trained(tmp_path / "tiny", policy={"name": "saliency"})
    lines = block.replace("runs/saccade-digits-1", str(run)).replace("10_000", "1024")
    images = "import numpy; images = numpy.zeros((3, 90, 120), numpy.uint8)"
    told = python(tmp_path, images, lines, "print(len(env.reset()))")
    assert told.strip() == "2"
