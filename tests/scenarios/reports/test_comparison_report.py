"""What a comparison comes to in sentences: numbers with their intervals, and what was not compared is not told."""

from typing import Any

from gazeworld.scenarios.reports.comparison_report import gains, glimpses, paths


def listed(*means: float) -> dict[str, Any]:
    """Means over images, each with an interval of a tenth around it."""
    return {"mean": list(means), "interval": [[mean - 0.05, mean + 0.05] for mean in means]}


def compared() -> dict[str, Any]:
    return {
        "views": [1, 2, 3],
        "policies": {
            "saliency": {"label": "SALIENCY", "kind": "control"},
            "centre": {"label": "CENTRE", "kind": "control"},
            "novelty": {"label": "NOVELTY", "kind": "planned"},
        },
        "difference to saliency": {
            "retrained": {"novelty": listed(0.0, 0.3, 0.2)},
            "shared": {"novelty": listed(0.0, 0.0, -0.05)},
        },
        "difference to centre": {
            "retrained": {"novelty": listed(0.0, 0.4, 0.3)},
            "shared": {"novelty": listed(0.0, 0.0, 0.0)},
        },
        "gap closed": {"retrained": {"novelty": {"mean": [None, 1.0, 0.5]}}, "shared": {}},
        "glimpses": {
            "share": 0.95,
            "whole image": 0.94,
            "retrained": {"saliency": None, "centre": None, "novelty": 2},
        },
    }


def test_gains_are_told_with_intervals_for_both_probes() -> None:
    (said,) = gains(compared())
    own, shared = said.split("under the shared probe: ")
    assert own.startswith("NOVELTY: gain over saliency +30.0 points [+25.0, +35.0] at 2 glimpses, +20.0 points")
    assert "over the centre prior +40.0, +30.0 points" in own
    assert "share of the gap to the oracle 100 %, 50 %" in own
    assert shared.startswith("gain over saliency +0.0 points [−5.0, +5.0] at 2 glimpses, −5.0 points")
    assert "oracle" not in shared
    fewer = compared()
    del fewer["difference to centre"]
    assert "centre prior" not in gains(fewer)[0]


def test_glimpses_are_told_for_everybody() -> None:
    said = glimpses(compared())
    assert "glimpses for 95 % of the whole image's 94.0 %" in said
    assert "SALIENCY more than 3; CENTRE more than 3; NOVELTY 2" in said


def test_path_integration_is_told_with_what_another_training_changes() -> None:
    def group(*scores: float) -> dict[str, Any]:
        return {"linear": {"r2": list(scores), "rmse": [5.0, 6.0]}}

    groups = {"saliency": group(0.85, 0.7), "learnt": group(0.84, 0.69)}
    both = paths({"path integration": {"groups": groups, "change of R²": [-0.01, 0.002]}})
    assert "0.85 / 0.70 (5.0 / 6.0 px) when trained with saliency" in both
    assert both.endswith("change of R² −0.010 / +0.002")
    alone = paths({"path integration": {"groups": {"saliency": groups["saliency"]}, "change of R²": None}})
    assert "--versus" in alone
