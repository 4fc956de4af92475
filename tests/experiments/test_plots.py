"""Figures: the same bytes, in a style that stays inside."""

from itertools import pairwise

import matplotlib
import numpy as np
import pytest

from bandits import plots
from bandits.experiments import Records, sweep
from tests.experiments.toy import TOY


@pytest.fixture(scope="module")
def records():
    return sweep(TOY.plan())


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_the_same_records_give_the_same_bytes(kind, records, tmp_path):
    for name in ("one", "two"):
        plots.save(TOY, records, tmp_path / f"{name}.{kind}")
    assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes()


def test_the_reader_s_settings_neither_matter_nor_change(records):
    plain = plots.to_svg(TOY, records)
    with matplotlib.rc_context({"lines.linewidth": 9.0, "font.size": 30, "svg.fonttype": "none"}):
        assert plots.to_svg(TOY, records) == plain
        assert matplotlib.rcParams["lines.linewidth"] == 9.0


def test_no_two_methods_look_the_same():
    names = [str(i) for i in range(40)]
    looks = [tuple(plots.mark(name, names).values()) for name in names]
    assert len(set(looks)) == 40
    assert len({look[1:] for look in looks[:8]}) == 8, "without colour the first ones still differ"


def test_labels_do_not_touch():
    from matplotlib.figure import Figure

    with plots.style():
        (axes,) = plots.panels(Figure(figsize=(5, 3)))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        lines = [axes.plot([0, 1], [0.5, 0.5 + 1e-3 * i])[0] for i in range(5)]
        plots.label_ends(axes, lines, [f"method {i}" for i in range(5)])
        axes.figure.draw_without_rendering()
        boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert len(boxes) == 5
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))


def test_a_band_leaves_out_what_is_missing():
    from matplotlib.figure import Figure

    with plots.style():
        (axes,) = plots.panels(Figure())
        line = plots.band(axes, [1, 2, 3], [1.0, np.nan, 3.0], [0.1, 0.1, np.nan], color="k")
    assert line.get_xdata().tolist() == [1, 3]


def test_what_cannot_be_drawn_or_saved_is_refused(records, tmp_path):
    with pytest.raises(ValueError, match="no record to draw"):
        plots.figure(TOY, Records(records.header, ()))
    with pytest.raises(ValueError, match="cannot tell a picture format"):
        plots.save(TOY, records, tmp_path / "figure.xyz")
