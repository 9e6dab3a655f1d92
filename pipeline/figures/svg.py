"""Panels as SVG elements inside a page, whose fonts and colours, light or dark, they take."""

import io
import re

import matplotlib as mpl
from matplotlib.figure import Figure

from pipeline.figures.panel import Part
from pipeline.figures.style import COLORS, legend_below, styled

Size = tuple[float, float]  # width and height in inches
FULL: Size = (4.9, 2.8)
HALF: Size = (2.45, 2.1)  # for two of them beside each other, with letters of the same size

# The page defines these custom properties of CSS.
_PAGE_COLORS = {color.lower(): f"var(--color-{place})" for place, color in enumerate(COLORS)} | {
    "#000000": "currentColor",
    "#808080": "var(--gray)",  # of single runs
    "#b0b0b0": "var(--grid)",
    "#ffffff": "var(--paper)",  # of the edges that keep bold lines apart from others
}
_RASTER_DPI = 200  # of what is not drawn as paths


@styled
def svgs(part: Part, name: str, size: Size = FULL) -> list[str]:
    """Each panel as an element `<svg>`, without titles and names of y, which the page writes.

    Args:
        part: the panels. Where they share y, they get the same limits.
        name: tells identifiers apart from those of other pictures on the page.
        size: of each panel.

    Returns:
        The elements; equal panels with an equal name give equal text.
    """
    figures = [Figure(figsize=size) for _ in part.panels]
    axes = [figure.subplots() for figure in figures]
    for figure, panel, shown in zip(figures, axes, part.panels, strict=True):
        handles = shown.draw(panel)
        panel.set(title="", ylabel="")
        if shown.needs_legend:
            legend_below(figure, handles, max_columns=2)
    ends = [panel.get_ylim() for panel in axes]
    if part.shares_y and ends:
        ends = [(min(low for low, _ in ends), max(high for _, high in ends))] * len(ends)
    for panel, shown, limits in zip(axes, part.panels, ends, strict=True):
        panel.set_ylim(*limits)
        panel.set_ylim(*shown.limits)
    return [_svg(figure, f"{name}-{place}") for place, figure in enumerate(figures)]


def _svg(figure: Figure, name: str) -> str:
    buffer = io.StringIO()
    # Text stays text; identifiers are digests of the salt and of what they stand for.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(
            buffer, format="svg", transparent=True, dpi=_RASTER_DPI, metadata=no_metadata
        )
    text = buffer.getvalue()
    return _as_element(text[text.index("<svg") :])


def _as_element(text: str) -> str:
    """An SVG file's element without what a page does not need, in the page's colours."""
    view, content = re.findall(r'^<svg [^>]*(viewBox="[^"]*")[^>]*>(.*)', text, re.DOTALL)[0]
    text = f"<svg {view}>{content}"
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;]*; ", "", text)
    text = re.sub(r' transform="rotate\(-0 [^"]*"', "", text)  # of text that is not rotated
    text = text.replace("xlink:href", "href")
    referred = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda id_: id_[0] if id_[1] in referred else "", text)
    text = re.sub(r"#[0-9a-f]{6}(?=[;\"])", lambda c: _PAGE_COLORS.get(c[0], c[0]), text)
    text = re.sub(r"\d+\.\d{3,}", lambda digits: f"{float(digits[0]):.2f}", text)
    text = re.sub(r"\s*\n\s*", " ", text)
    return re.sub(r"(?<=>) (?=<)", "", text).strip()
