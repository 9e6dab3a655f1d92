"""Panels as SVG elements that take the fonts and colors of their page, light or dark."""

import io
import re

import matplotlib as mpl
from matplotlib.figure import Figure

from pipeline.figures.panel import Part
from pipeline.figures.style import COLORS, legend_below, styled

Size = tuple[float, float]  # width and height in inches
FULL: Size = (4.9, 2.8)
HALF: Size = (2.45, 2.1)  # for two panels side by side, with the same font size

# The page defines these CSS custom properties.
_PAGE_COLORS = {color.lower(): f"var(--color-{i})" for i, color in enumerate(COLORS)} | {
    "#000000": "currentColor",
    "#808080": "var(--gray)",  # single runs
    "#b0b0b0": "var(--grid)",
    "#ffffff": "var(--paper)",  # the edges of bold lines
}
_RASTER_DPI = 200  # of artists that are rasterized


@styled
def svgs(part: Part, name: str, size: Size = FULL) -> list[str]:
    """Draw each panel as an `<svg>` element, without title and y label, which the page adds.

    Args:
        part: The panels. If they share y, they get the same limits.
        name: A name that makes the identifiers unique on the page.
        size: The size of each panel.

    Returns:
        The elements. Equal panels with an equal name give equal text.
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
    return [_svg(figure, f"{name}-{i}") for i, figure in enumerate(figures)]


def _svg(figure: Figure, name: str) -> str:
    buffer = io.StringIO()
    # Text stays text. Identifiers are digests of the salt and the content that they refer to.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(
            buffer, format="svg", transparent=True, dpi=_RASTER_DPI, metadata=no_metadata
        )
    text = buffer.getvalue()
    return _as_element(text[text.index("<svg") :])


def _as_element(text: str) -> str:
    """Reduce an SVG file to the element that a page needs, in the page's colors."""
    view, content = re.findall(r'^<svg [^>]*(viewBox="[^"]*")[^>]*>(.*)', text, re.DOTALL)[0]
    text = f"<svg {view}>{content}"
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;]*; ", "", text)
    text = re.sub(r' transform="rotate\(-0 [^"]*"', "", text)  # on text that is not rotated
    text = text.replace("xlink:href", "href")
    referred = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda id_: id_[0] if id_[1] in referred else "", text)
    text = re.sub(r"#[0-9a-f]{6}(?=[;\"])", lambda c: _PAGE_COLORS.get(c[0], c[0]), text)
    text = re.sub(r"\d+\.\d{3,}", lambda digits: f"{float(digits[0]):.2f}", text)
    text = re.sub(r"\s*\n\s*", " ", text)
    return re.sub(r"(?<=>) (?=<)", "", text).strip()
