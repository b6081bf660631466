"""Bodies of messages as HTML that is safe to show.

The platform's own automatic messages are HTML, with parts that nobody escaped: sanitised again.
Everybody else writes plain text, in which `<` is a letter: escaped. Which of the two it is must be
decided first: a sanitiser would swallow `<marie@example.org>` out of a plain text.
"""

import nh3
from django.utils.html import linebreaks, urlize
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator

from dsintegration.models import Author, Message

TAGS = {"a", "b", "blockquote", "br", "em", "i", "li", "ol", "p", "strong", "u", "ul"}
_sanitiser = nh3.Cleaner(
    tags=TAGS,
    attributes={"a": {"href"}},
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
)


def body_as_html(message: Message) -> SafeString:
    """The text of a message; "" if it has none (deleted, absent, or only an attachment)."""
    if message.author is Author.SYSTEME:
        return mark_safe(_sanitiser.clean(message.body))  # noqa: S308  # that is what nh3 is for
    linked = urlize(message.body, nofollow=True, autoescape=True)
    return SafeString(linebreaks(linked, autoescape=False)) if linked else SafeString("")


def first_words(message: Message, most: int = 140) -> str:
    """The beginning of what a person wrote, on one line."""
    text = " ".join(message.body.split())
    return Truncator(text).chars(most)
