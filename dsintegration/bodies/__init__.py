"""Bodies of messages as HTML that is safe to show.

The platform's own automatic messages are HTML, with parts that nobody escaped: sanitised again.
Everybody else writes plain text, in which `<` is a letter: escaped. Which of the two it is must be
decided first: a sanitiser would swallow `<marie@example.org>` out of a plain text.
"""

import re
from functools import cache
from typing import Any

from django.utils.html import Urlizer, linebreaks
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator

from dsintegration.bodies.plain_html import TAGS, plain_html
from dsintegration.harmless import FOR_IT, on_a_page
from dsintegration.models import Author, Message

# What stands for "&" while nh3 reads, whose time is quadratic in those of a text: one of Unicode's
# noncharacters, which no text holds.
_AND = "\ufdd0"


@cache
def _sanitiser() -> Any:
    """Made when the first message is shown: no project waits for this import at its start."""
    import nh3

    return nh3.Cleaner(
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


class _Urlizer(Urlizer):
    """Django's, but an address also ends at French quotes, « … » and invisible letters."""

    word_split_re = re.compile("([\\s<>\"'“”„«»‘’…\\u00ad\\u200b-\\u200f\\u2060\\ufeff\\ufffd]+)")


_link_addresses = _Urlizer()


def body_as_html(message: Message) -> SafeString:
    """The text of a message; "" if it has none (deleted, absent, or only an attachment)."""
    if message.author is Author.SYSTEME:
        html = plain_html(message.body.replace(_AND, FOR_IT)).replace("&amp;", _AND)
        cleaned = _sanitiser().clean(html).replace(_AND, "&amp;")
        # Afterwards: a mark may have been written as an entity.
        return mark_safe(on_a_page(cleaned))  # noqa: S308  # that is what nh3 is for
    text = "\n".join(on_a_page(message.body).splitlines())
    linked = _link_addresses(text, nofollow=True, autoescape=True)
    return SafeString(linebreaks(linked, autoescape=False)) if linked else SafeString("")


def first_words(message: Message, most: int = 140) -> str:
    """The beginning of what a person wrote, on one line."""
    text = " ".join(message.body.split())
    return Truncator(text).chars(most)
