"""The picture of a sweep."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from cascade.errors import MissingExtraError
from observatory.experiments.sweep import figure
from observatory.experiments.sweep.axes import Axis
from observatory.experiments.sweep.figure import draw
from observatory.experiments.sweep.plan import Point, Sweep
from observatory.experiments.sweep.table import Estimate

NUDGE, LIMIT = Axis("nudge", (0.1, 0.2, 0.3)), Axis("limit", (2, None))
HOLDS, PERIOD = Axis("limit-holds", ("step", "awake")), Axis("period", (4.0, 5.0))


def order(sweep: Sweep) -> dict[Point, Estimate]:
    return {
        point: Estimate(3, number / 20, 0.1, number / 20 - 0.01, number / 20 + 0.01)
        for number, point in enumerate(sweep.points())
    }


def texts(directory: Path) -> list[str]:
    tree = ElementTree.parse(directory / "heatmap.svg")
    return [
        "".join(text.itertext()).strip() for text in tree.iter("{http://www.w3.org/2000/svg}text")
    ]


def test_one_setting_makes_a_curve(tmp_path: Path) -> None:
    sweep = Sweep((NUDGE,))
    said = draw(tmp_path, sweep, order(sweep))
    assert said == "heatmap.svg shows R over nudge, with 95 % confidence intervals"
    assert {"nudge", "R at the end"} <= {*texts(tmp_path)}


def test_what_has_no_distance_stands_side_by_side(tmp_path: Path) -> None:
    sweep = Sweep((HOLDS,))
    draw(tmp_path, sweep, order(sweep))
    assert {"step", "awake"} <= {*texts(tmp_path)}


def test_two_settings_make_a_heat_map_with_its_values(tmp_path: Path) -> None:
    sweep = Sweep((NUDGE, LIMIT))
    assert draw(tmp_path, sweep, order(sweep)) == "heatmap.svg shows R over nudge and limit"
    found = texts(tmp_path)
    assert {"nudge", "limit", "0.1", "0.2", "0.3", "2", "none", "R at the end"} <= {*found}
    assert [text for text in found if text in ("0.00", "0.05", "0.10", "0.15", "0.20", "0.25")] == [
        "0.00",
        "0.05",
        "0.10",
        "0.15",
        "0.20",
        "0.25",
    ]


def test_more_settings_make_panels(tmp_path: Path) -> None:
    sweep = Sweep((HOLDS, PERIOD, Axis("nudge", (0.1,)), LIMIT))
    said = draw(tmp_path, sweep, order(sweep))
    assert said == (
        "heatmap.svg shows R over nudge and limit, in 4 panels for limit-holds and period"
    )
    assert {"limit-holds=step period=4", "limit-holds=awake period=5"} <= {*texts(tmp_path)}


def test_too_many_panels_are_not_drawn(tmp_path: Path) -> None:
    sweep = Sweep((Axis("agents", tuple(range(1, 38))), NUDGE, LIMIT))
    said = draw(tmp_path, sweep, order(sweep))
    assert said == "heatmap.svg isn't drawn: it would have 37 panels, and 36 is the most"
    assert not [*tmp_path.iterdir()]


def test_nothing_varied_is_nothing_to_draw(tmp_path: Path) -> None:
    assert draw(tmp_path, Sweep(), {(): Estimate(1, 1.0)}) == (
        "heatmap.svg isn't drawn: no setting is varied"
    )
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("axes", [(NUDGE,), (NUDGE, LIMIT)])
def test_points_without_runs_stay_empty(tmp_path: Path, axes: tuple[Axis, ...]) -> None:
    sweep = Sweep(axes)
    draw(tmp_path, sweep, dict.fromkeys(sweep.points(), Estimate(0, None)))
    assert "R at the end" in texts(tmp_path)


def test_the_same_results_are_the_same_file(tmp_path: Path) -> None:
    sweep = Sweep((NUDGE, LIMIT))
    draw(tmp_path, sweep, order(sweep))
    first = (tmp_path / "heatmap.svg").read_bytes()
    draw(tmp_path, sweep, order(sweep))
    assert (tmp_path / "heatmap.svg").read_bytes() == first


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(feature: str, *packages: str) -> None:
        raise MissingExtraError(feature, packages[0], "plot")

    monkeypatch.setattr(figure, "require", missing)
    with pytest.raises(MissingExtraError, match="plot"):
        figure.check_can_draw()
