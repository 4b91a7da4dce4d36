"""Tables and figure of the control experiment say what the numbers say."""

from typing import Any

from gazeworld.scenarios.reports import controls_report


def score(mean: list[float], interval: list[float] | None = None) -> dict[str, Any]:
    overall = {"mean": sum(mean) / len(mean), "interval": None if interval is None else interval[0]}
    return {"mean": mean, "interval": interval, "overall": overall, "runs": [mean, mean]}


def condition(top1: float, name: str, ior: bool, shares: bool = True) -> dict[str, Any]:
    found = {
        "map": name,
        "ior": ior,
        "seeds": [0, 5],
        "top-1": score([top1, top1 + 0.1], [0.01, 0.02]),
        "top-1, untrained": score([0.2, 0.25], [0.0, 0.0]),
        "top-1 of the mean of views": score([top1, top1 + 0.05]),
        "position R²": score([0.7], [0.03]),
        "position R², untrained": score([0.5], [0.01]),
        "chance": score([0.1]),
    }
    if shares:
        found |= {f"object: {what}": score([0.3, 0.5], [0.04, 0.03]) for what in ("centre", "pixels", "covered")}
        found["object: image"] = score([0.12])
    return found


def numbers(shares: bool = True) -> dict[str, Any]:
    own, other = condition(0.5, "own", True, shares), condition(0.4, "uniform", False, shares)
    contrast = {"seeds": [0, 5], "top-1": score([0.1, -0.1], [0.02, 0.02]), "position R²": score([0.2], [0.1])}
    if shares:
        contrast["object: pixels"] = score([0.05, 0.15])
    return {"conditions": {"uniform map": other, "own map, IoR": own}, "contrasts": {"own − uniform": contrast}}


def test_the_page_holds_every_number() -> None:
    text = controls_report.page("saccade-x", numbers(), {"own": {"auc": 0.9512, "mass": 3.456}})
    assert "## `saccade-x`" in text
    assert (
        "| own map, IoR | 50.0 ± 1.0 | 60.0 ± 2.0 | 55.0 | 0.70 ± 0.03 | 40.0 ± 4.0 | 40.0 ± 4.0 | 50.0 ± 3.0 | 2 |"
        in text
    )
    assert "| own − uniform | +10.0 ± 2.0 | -10.0 ± 2.0 | +0.20 ± 0.10 | +10.0 | 2 |" in text
    assert "| untrained, uniform map | 20.0 ± 0.0 | 25.0 ± 0.0 |  | 0.50 ± 0.01 |" in text
    assert "| own | 0.951 | 3.46 |" in text
    assert "Chance 10.0 %" in text
    assert "12.0 % of the image" in text
    widths = {line.count("|") for line in text.split("\n\n")[1].splitlines()}
    assert widths == {10}


def test_without_masks_there_are_no_shares() -> None:
    text = controls_report.page("saccade-x", numbers(shares=False), None)
    assert "| own map, IoR | 50.0 ± 1.0 | 60.0 ± 2.0 | 55.0 | 0.70 ± 0.03 | 2 |" in text
    assert "covered" not in text
    assert len(controls_report.figure("saccade-x", numbers(shares=False)).axes) == 1


def test_the_figure_has_a_line_for_every_condition() -> None:
    drawing = controls_report.figure("saccade-x", numbers())
    assert len(drawing.axes) == 3
    labels = [line.get_label() for line in drawing.axes[0].lines]
    assert labels == ["uniform map", "own map, IoR", "chance"]
    assert [line.get_linestyle() for line in drawing.axes[0].lines[:2]] == ["--", "-"]
