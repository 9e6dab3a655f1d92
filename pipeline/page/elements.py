"""HTML elements, in which whatever is not HTML already is escaped."""

import base64
import html
from collections.abc import Iterable


class Html(str):
    """Text that is HTML, and is put into a page as it is."""

    __slots__ = ()


# Elements that have no content and no end.
_VOID = {"br", "img", "meta", "source"}


def element(name: str, *content: str, **attributes: str | int) -> Html:
    """One element.

    Args:
        name: What it is, `td`.
        content: What it holds: `Html` as it is, other text escaped.
        attributes: By name; `class_` is class, `aria_label` aria-label.
    """
    start = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
    )
    end = "" if name in _VOID else f"</{name}>"
    return Html(f"<{name}{start}>{joined(content)}{end}")


def joined(parts: Iterable[str]) -> Html:
    """Elements and text, one after the other."""
    return Html(
        "".join(
            part if isinstance(part, Html) else html.escape(part, quote=False) for part in parts
        )
    )


def data_uri(media_type: str, content: bytes) -> str:
    """A file as an address that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
