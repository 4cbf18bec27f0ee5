"""The figures of a report: what they hold, and matplotlib's drawing of them.

A figure is data first, so that `report.json` can hold it; how it looks is decided here
alone. matplotlib is an extra, loaded when the first figure is drawn.
"""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from aligner.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Okabe and Ito's colours, which colour-blind people tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DOTS_PER_INCH = 150
LARGEST_LABELLED = 16  # rows or columns of a heatmap whose cells show their numbers
DRAWN_POINTS = 5000  # of a scatter's group

Numbers: TypeAlias = Sequence[float | None]  # None: there is no such value


@dataclass(frozen=True)
class Heatmap:
    """A number for each layer and head; `values` has a row for each layer.

    Figures to be compared share one range of colours.
    """

    name: str
    title: str
    values: Sequence[Numbers]
    label: str  # of the numbers
    note: str = ""
    range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Curves:
    """A number for each layer, of one or more series; `spread` is drawn around it."""

    name: str
    title: str
    series: Mapping[str, Numbers]
    label: str
    spread: Mapping[str, Numbers] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Scatter:
    """Points of one or more groups; `caption` says how far they go together."""

    name: str
    title: str
    groups: Mapping[str, Sequence[tuple[float, float]]]
    x_label: str
    y_label: str
    caption: str = ""
    note: str = ""


Figure: TypeAlias = Heatmap | Curves | Scatter


def thinned(x: ArrayLike, y: ArrayLike) -> list[tuple[float, float]]:
    """Return points, or a sample of them if they are too many to draw."""
    points = np.column_stack([x, y]).astype(float)
    if len(points) > DRAWN_POINTS:
        # Not every nth, which could be the same head each time.
        random = np.random.default_rng(0)
        points = points[random.choice(len(points), DRAWN_POINTS, replace=False)]
    return [(a, b) for a, b in points.tolist()]


def require_matplotlib() -> None:
    """Check that figures can be drawn, before hours of work.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "reports need matplotlib: expected it installed, by "
            "pip install '.[analysis]' where aligner's source is"
        ) from error


def draw(figure: Figure) -> tuple[str, bytes]:
    """Return a figure as an `<svg>` element, whose text stays text, and as PNG."""
    from matplotlib import rc_context

    canvas = _draw(figure)
    svg, png = io.StringIO(), io.BytesIO()
    # The salt makes the same figure the same text.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": figure.name}):
        canvas.savefig(svg, format="svg", metadata={"Date": None})
    canvas.savefig(png, format="png", dpi=DOTS_PER_INCH)
    text = svg.getvalue()
    return text[text.index("<svg") :], png.getvalue()


def _draw(figure: Figure) -> "Canvas":
    # Not by pyplot, which would choose a window system and keep every figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=_size(figure), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.add_subplot()
    if isinstance(figure, Heatmap):
        _draw_heatmap(figure, canvas, axes)
    elif isinstance(figure, Curves):
        _draw_curves(figure, axes)
    else:
        _draw_scatter(figure, axes)
    return canvas


def _size(figure: Figure) -> tuple[float, float]:
    """Return width and height in inches."""
    if not isinstance(figure, Heatmap):
        return 5.6, 3.6
    columns = max(map(len, figure.values), default=1)
    return max(4.4, 1.6 + 0.5 * columns), max(2.4, 1.2 + 0.36 * len(figure.values))


def _draw_heatmap(figure: Heatmap, canvas: "Canvas", axes: "Axes") -> None:
    values = [[math.nan if v is None else v for v in row] for row in figure.values]
    finite = [v for row in values for v in row if not math.isnan(v)]
    low, high = figure.range or (min(finite, default=0.0), max(finite, default=1.0))
    cells = axes.pcolormesh(values, cmap="cividis", vmin=low, vmax=high)
    canvas.colorbar(cells, ax=axes, label=_plain(figure.label))
    axes.set(xlabel="head", ylabel="layer")
    columns = max(map(len, values), default=0)
    for axis, count in ((axes.xaxis, columns), (axes.yaxis, len(values))):
        axis.set_ticks([i + 0.5 for i in range(count)], map(str, range(1, count + 1)))
    axes.invert_yaxis()
    if max(columns, len(values)) > LARGEST_LABELLED:
        return
    largest = max(map(abs, finite), default=1.0)
    decimals = max(0, 2 - math.floor(math.log10(largest))) if largest else 0
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            if not math.isnan(value):
                dark = value < (low + high) / 2
                axes.text(
                    x + 0.5,
                    y + 0.5,
                    f"{value:.{decimals}f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if dark else "black",
                )


def _draw_curves(figure: Curves, axes: "Axes") -> None:
    for index, (name, series) in enumerate(figure.series.items()):
        look = _look(index)
        ys = [math.nan if y is None else y for y in series]
        xs = range(1, len(ys) + 1)
        axes.plot(xs, ys, label=_plain(name), markersize=5, **look)
        if name in figure.spread:
            around = [math.nan if s is None else s for s in figure.spread[name]]
            low = [y - s for y, s in zip(ys, around, strict=True)]
            high = [y + s for y, s in zip(ys, around, strict=True)]
            axes.fill_between(xs, low, high, color=look["color"], alpha=0.15, lw=0)
    longest = max(map(len, figure.series.values()), default=1)
    axes.set_xticks(range(1, longest + 1))
    axes.set(xlabel="layer", ylabel=_plain(figure.label))
    axes.grid(alpha=0.25)
    if len(figure.series) > 1:
        axes.legend(fontsize=8)


def _draw_scatter(figure: Scatter, axes: "Axes") -> None:
    for index, (name, points) in enumerate(figure.groups.items()):
        look = _look(index) | {"linestyle": ""}
        xs, ys = zip(*points, strict=True) if points else ((), ())
        size, alpha = (4, 0.8) if len(points) < 500 else (2, 0.3)
        axes.plot(xs, ys, label=_plain(name), markersize=size, alpha=alpha, **look)
    axes.set(xlabel=_plain(figure.x_label), ylabel=_plain(figure.y_label))
    axes.grid(alpha=0.25)
    # Beside the points, not on them.
    if len(figure.groups) > 1:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.02))
    if figure.caption:
        axes.annotate(
            _plain(figure.caption),
            (1.03, 0.02),
            xycoords="axes fraction",
            va="bottom",
            fontsize=8,
        )


def _look(index: int) -> dict[str, Any]:
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
    }


def _plain(text: str) -> str:
    """Return text that matplotlib does not take for a formula."""
    return text.replace("$", r"\$")
