"""Bodies come from outside: what reaches a page is harmless, and says what was written."""

import html5lib
import pytest

from dsintegration.bodies import body_as_html
from tests.factories import DossierFactory, MessageFactory

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
        ("<h1>Titre</h1><table><tr><td>a</td></tr></table>", "Titrea"),
        ("<p>pas fermé", "<p>pas fermé</p>"),
    ],
)
def test_a_message_of_the_platform_is_sanitised(body, html):
    assert rendered(body, SYSTEM) == (html or body)
