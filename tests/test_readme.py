"""What README.md and the pages of measured results say is there, runs, and fits the command line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
SCENARIOS = [p for p in sorted((ROOT / "scenarios").glob("*.py")) if not p.name.startswith("_")]
PAGES = [README, *sorted((ROOT / "scenarios").glob("*.md")), ROOT / "scenarios/bench/README.md"]
HEADINGS = ["Claim", "Command", "Table", "Figure", "What failed", "What differs from the paper"]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language ("": of none)."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


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
    text = README.read_text(encoding="utf-8")
    (tour,), (policy,) = (blocks(section(text, head), "python") for head in ("Sixty seconds", "Learn where to look"))
    told = python(tmp_path, tour, policy)
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
        "assert observation['view'].shape == (512, 16, 16, 1) and observation['pose'].shape == (512, 2)",
    )
