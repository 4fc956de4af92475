"""Notebooks as the tests read and run them: cell by cell in this process, sliders tried at both ends, or through a kernel."""

import ast
import contextlib
import io
import itertools
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import nbformat

FOLDER = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [path.stem for path in PATHS]
WAYS = ("_repr_html_", "_repr_latex_", "__repr__")


@dataclass(frozen=True)
class Failed:
    """A cell that raised."""

    cell: str
    error: Exception


def read(name):
    """The notebook of this name."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def run(name):
    """Run the code cells in order: (what they left behind, where they failed or None)."""
    space = {"__name__": "__main__"}
    with stand_ins(), contextlib.redirect_stdout(io.StringIO()) as said:
        for cell in read(name).cells:
            if cell.cell_type == "code":
                try:
                    _execute(cell.source, space)
                except Exception as error:
                    return space, Failed(cell.id, error)
    space["said"] = said.getvalue()
    return space, None


def _execute(source, space):
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), space)
    if last is not None:
        show(eval(compile(ast.Expression(last.value), "<cell>", "eval"), space))


def show(value):
    """As a front end would: ask for every picture that the value has of itself."""
    if value is not None:
        for way in WAYS:
            getattr(value, way, str)()


def interact(function, **sliders):
    """Without a front end: the function at the value, the least and the greatest of every slider, in every combination."""
    for values in itertools.product(*([slider.value, *slider.ends] for slider in sliders.values())):
        show(function(**dict(zip(sliders, values, strict=True))))


class Slider:
    """A slider with numbers for ends."""

    def __init__(self, value, min, max, step=None):
        self.value, self.ends = value, (min, max)


class LogSlider(Slider):
    """A slider whose ends are powers of ten."""

    def __init__(self, value, min, max, step=None):
        super().__init__(value, 10.0**min, 10.0**max)


@contextlib.contextmanager
def stand_ins():
    """ipywidgets without a front end, and figures that are drawn and thrown away."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    widgets = types.ModuleType("ipywidgets")
    vars(widgets).update(interact=interact, FloatSlider=Slider, IntSlider=Slider, FloatLogSlider=LogSlider)
    before = sys.modules.get("ipywidgets")
    shown, plt.show = plt.show, lambda: plt.gcf().canvas.draw()
    sys.modules["ipywidgets"] = widgets
    try:
        yield
    finally:
        plt.show = shown
        plt.close("all")
        if before is None:
            del sys.modules["ipywidgets"]
        else:
            sys.modules["ipywidgets"] = before
