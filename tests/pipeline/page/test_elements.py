"""HTML that cannot be broken by what is put into it."""

from pipeline.page.elements import Html, data_uri, element, joined


def test_text_and_attributes_are_escaped_and_elements_are_not():
    inner = element("b", "<i> & co")
    assert inner == "<b>&lt;i&gt; &amp; co</b>"
    outer = element("p", inner, " > ", title='"a" & <b>')
    assert outer == ('<p title="&quot;a&quot; &amp; &lt;b&gt;"><b>&lt;i&gt; &amp; co</b> &gt; </p>')


def test_names_of_attributes():
    assert element("td", class_="a", aria_label="b", colspan=2) == (
        '<td class="a" aria-label="b" colspan="2"></td>'
    )


def test_what_is_empty_by_its_nature_has_no_end():
    assert element("img", src="data:,", alt="") == '<img src="data:," alt="">'


def test_joined_is_html():
    assert joined(["<", Html("<br>")]) == "&lt;<br>"
    assert isinstance(joined(["<"]), Html)


def test_a_file_as_an_address():
    assert data_uri("image/gif", b"abc") == "data:image/gif;base64,YWJj"
