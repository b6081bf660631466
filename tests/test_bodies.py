"""Bodies come from outside: what reaches a page is harmless, and says what was written."""

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsintegration.bodies import body_as_html
from dsintegration.bodies.plain_html import TAGS
from tests.factories import DossierFactory, MessageFactory
from tests.growth import is_linear

SYSTEM = "contact@demarche.numerique.gouv.fr"


def rendered(body, email="agent@example.org"):
    dossier = DossierFactory.build()
    return body_as_html(MessageFactory.build(dossier=dossier, body=body, email=email))


@pytest.mark.parametrize(
    ("body", "html"),
    [
        ("", ""),
        ("Bonjour,\r\n\r\nmerci\nbien", "<p>Bonjour,</p>\n\n<p>merci<br>bien</p>"),
        ("1 < 2 & <marie@example.org>", "<p>1 &lt; 2 &amp; &lt;"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        ("🎉 déjà", "<p>🎉 déjà</p>"),
        ("a\u2028b\x0bc\x85d", "<p>a<br>b<br>c<br>d</p>"),
        ("a \u202ecod.exe", "<p>a \ufffdcod.exe</p>"),
        ("“https://exemple.fr/b”", '“<a href="https://exemple.fr/b"'),
        ("«\u00a0https://exemple.fr/b\u00a0»", '<a href="https://exemple.fr/b"'),
        ("https://exemple.fr/page… suite", '<a href="https://exemple.fr/page"'),
        ("l’adresse ‘https://exemple.fr/b’.", '‘<a href="https://exemple.fr/b"'),
        ("https://exemple.fr/b\u200b", '<a href="https://exemple.fr/b"'),
        ("https://exemple.fr/b\u202efdp", '<a href="https://exemple.fr/b"'),
        (
            "voir https://example.org/a?b=1&c=2",
            '<p>voir <a href="https://example.org/a?b=1&amp;c=2" rel="nofollow">',
        ),
    ],
)
def test_a_plain_text_is_escaped(body, html):
    assert html in rendered(body)


@pytest.mark.parametrize(
    "body",
    [
        "javascript:alert(1)",
        '"><img src=x onerror=alert(1)>',
        "https://example.org/\"onmouseover='alert(1)'",
        "</p></div><iframe src=//example.org>",
    ],
)
@pytest.mark.parametrize("email", ["agent@example.org", SYSTEM, f"not-{SYSTEM}"])
def test_nothing_hostile_gets_through(body, email):
    html = html5lib.parseFragment(rendered(body, email), namespaceHTMLElements=False)
    for element in list(html.iter())[1:]:
        assert element.tag in {"p", "a"}
        assert element.attrib.keys() <= {"href", "rel"}
        assert element.attrib.get("href", "https:").startswith("http")


@pytest.mark.parametrize(
    ("body", "html"),
    [
        ("<p>Bonjour,<br>votre <strong>dossier</strong></p>", None),
        ("<ul><li>un</li></ul>", None),
        ("<p>[<script>alert(1)</script>]</p>", "<p>[]</p>"),
        ('<p onclick="alert(1)" style="x" class="y">a</p>', "<p>a</p>"),
        ('<a href="javascript:alert(1)">a</a>', '<a rel="noopener noreferrer nofollow">a</a>'),
        (
            '<a href="https://example.org" target="_top">a</a>',
            '<a href="https://example.org" rel="noopener noreferrer nofollow">a</a>',
        ),
        ("<p>pas fermé", "<p>pas fermé</p>"),
    ],
)
def test_a_message_of_the_platform_is_sanitised(body, html):
    assert rendered(body, SYSTEM) == (html or body)


BREAKS = {"blockquote", "br", "div", "hr", "li", "ol", "p", "pre", "table", "tr", "ul"}


def lines(html: str) -> list[str]:
    """What a reader sees, line by line; cells of a row apart."""

    def write(element, is_kept=False) -> str:
        is_kept = is_kept or element.tag == "pre"

        def own(text: str | None) -> str:
            return text or "" if is_kept else (text or "").replace("\n", " ")

        children = [write(child, is_kept) + own(child.tail) for child in element]
        text = own(element.text) + "".join(children)
        if element.tag in {"td", "th"}:
            return f"{text} | "
        return f"\n{text}\n" if element.tag in BREAKS else text

    root = html5lib.parseFragment(html, namespaceHTMLElements=False)
    seen = [" ".join(line.split()).strip(" |") for line in write(root).splitlines()]
    return [line for line in seen if line]


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("<div>Bonne journée,</div><div>L'équipe</div>", ["Bonne journée,", "L'équipe"]),
        (
            "<h1>Pièces à fournir</h1><ul><li>Plan</li><li>Photo</li></ul>",
            ["Pièces à fournir", "Plan", "Photo"],
        ),
        ("<pre>Ligne 1\nLigne 2</pre>", ["Ligne 1", "Ligne 2"]),
        (
            "<table><tr><td>Date</td><td>12 mai</td></tr>"
            "<tr><td>Lieu</td><td>Mairie</td></tr></table>",
            ["Date | 12 mai", "Lieu | Mairie"],
        ),
        ("<table><caption>A</caption>b<tr><th>c<td>d</table>e", ["A", "b", "c | d", "e"]),
        ("<td>a</td><td>b</td><tr><td>c", ["a", "b", "c"]),
        ("<table><tr><td><table><tr><td>a</table><td>b</table>", ["a", "b"]),
        ("<section><header>a</header>b<footer>c</footer></section>", ["a", "b", "c"]),
        ("<dl><dt>a</dt><dd>b</dd></dl>", ["a", "b"]),
        ("<center>a</center><address>b</address>", ["a", "b"]),
        ("<p>a<ul><li>b<li>c<ul><li>d</ul></ul>e", ["a", "b", "c", "d", "e"]),
        ("<ul><li>a</ul><h6>b<h6>c", ["a", "b", "c"]),
        ("a<hr>b<br/>c</br>d", ["a", "b", "c", "d"]),
        ("a</p>b", ["a", "b"]),
        ("<title>x</title><style>y</style><!-- z --><![if mso]>a<![endif]>", ["a"]),
        ("Bonjour\nmerci", ["Bonjour", "merci"]),
        ("1 < 2, et <b 5", ["1 < 2, et <b 5"]),
        ("<p title='a > b'>c</p>", ["c"]),
        ("<b><div>a</b>b</div>c", ["ab", "c"]),
        ("<p>&#x202e;a</p>", ["\ufffda"]),
        (
            "<p>l&eacute;g&egrave;re&nbsp;: 1 &lt; 2 &amp; 3 &notaword;</p>",
            ["légère : 1 < 2 & 3 ¬aword;"],
        ),
        ("S & T, S &amp; T", ["S & T, S & T"]),
        ("<p>&amp;lt;b&amp;gt; &ltb>", ["&lt;b&gt; <b>"]),
        ("<p>a\ufdd0b&#xfdd0;c</p>", ["a\ufffdbc"]),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", ["<script>alert(1)</script>"]),
    ],
)
def test_lines_stay_lines(body, seen):
    assert lines(rendered(body, SYSTEM)) == seen


@pytest.mark.parametrize(
    ("body", "html"),
    [
        ("<b><i>x</b>y</i>", "<b><i>x</i></b><i>y</i>"),
        ("<a href='https://x.example'><div>x</div></a>", '<a href="https://x.example" rel='),
        ("<h2>a</h2>", "<p><strong>a</strong></p>"),
        ("<a href='x'>a<a href='mailto:y@example.org'>b", '<a href="mailto:y@example.org"'),
    ],
)
def test_what_is_formatted(body, html):
    assert html in rendered(body, SYSTEM)


HOSTILE = [
    "<ul><li>",
    "<table><tr><td>",
    "<b><p>",
    "<b a={}><p>",
    "<a href='{}'><p>x",
    "<div>",
    "</p>",
    "<",
    "<a ",
    '<a ="',
    "<!",
    "<!--",
    "<script>",
    "&",
    "& ",
    "&amp;",
    "&#38;",
    "&nosuch;",
    "&lt",
    "<svg><math>",
    "<b><i></b>x</i>",
    "<b><i><u><s><em><sub><sup><del><p>x<p>x<p>x<p>x<p>x<p>x",
    "<table><caption>",
    "<td>",
    "x ",
    "(http://",
    "é\n",
]


@pytest.mark.parametrize("email", ["agent@example.org", SYSTEM])
@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_texts_take_no_longer_than_others(part, email):
    def show(body):
        assert len(rendered(body, email)) < 8 * len(body)

    assert is_linear(show, part)


@pytest.mark.parametrize(
    "start",
    [f"<a href='https://example.org/{'x' * 1900}'>", "<b><i><u><s><em><strong><sub><sup>"],
)
def test_what_goes_on_over_blocks_is_not_multiplied(start):
    assert len(rendered(start + "<p>x" * 40_000, SYSTEM)) < 600_000


PIECES = [f"<{name}>" for name in sorted(TAGS | {"h2", "dd", "tbody", "caption", "span", "x-y"})]
PIECES += [piece.replace("<", "</") for piece in PIECES]
PIECES += ["<a href='https://example.org'>", "<!-- x -->", " ", "<br/>", "\n", "<i x='>'>"]


@given(st.lists(st.sampled_from([*PIECES, *["w"] * 60]), max_size=60))
def test_any_nesting_keeps_words_and_lines(pieces):
    words = iter(range(1000))
    named = [f"w{next(words)}w" if piece == "w" else piece for piece in pieces]
    shown = rendered("".join(named), SYSTEM)
    for element in list(html5lib.parseFragment(shown, namespaceHTMLElements=False).iter())[1:]:
        assert element.tag in TAGS
        assert element.attrib.keys() <= {"href", "rel"}
    seen = "\n".join(lines(shown))
    place, between = 0, ""
    for piece in named:
        if not piece.startswith("w"):
            between += piece
            continue
        found = seen.index(piece, place)
        gap = seen[place:found]
        if place and any(f"<{name}>" in between for name in ("div", "p", "li", "br", "h2", "tr")):
            assert "\n" in gap
        if place and ("<td>" in between or "<th>" in between):
            assert gap.strip(" ") != "" or "\n" in gap
        if place and not between.strip():
            assert gap.strip() == ""
        place, between = found + len(piece), ""


@given(st.text(max_size=200))
def test_a_plain_text_keeps_its_letters(body):
    html = rendered(body)
    text = "".join(html5lib.parseFragment(html, namespaceHTMLElements=False).itertext())
    kept = [letter for letter in body if letter.isalnum()]
    assert [letter for letter in text if letter.isalnum()] == kept


@given(st.text(st.sampled_from("<>/!-?=\"' abip&;#x202e\u202e\n"), max_size=120))
def test_whatever_a_message_of_the_platform_holds(body):
    html = html5lib.parseFragment(rendered(body, SYSTEM), namespaceHTMLElements=False)
    for element in list(html.iter())[1:]:
        assert element.tag in TAGS
        assert element.attrib.keys() <= {"href", "rel"}
    assert "\u202e" not in rendered(body, SYSTEM)
