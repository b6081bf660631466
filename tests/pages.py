"""Holds pages against the HTML standard, as far as a parser can tell."""

import itertools
import re

import html5lib

REFERRING = ("for", "aria-labelledby", "aria-describedby")


def check_html(text: str) -> None:
    """Raises for what a strict parser refuses, and for ids that are double or lead nowhere."""
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids)), "an id is given twice"
    for element in tree.iter():
        for name in REFERRING:
            assert set((element.get(name) or "").split()) <= set(ids), (element.tag, name)
        href = element.get("href") or ""
        assert not href.startswith("#") or href[1:] in ids, href
        assert not any(str(name).startswith("on") for name in element.keys()), element.tag  # noqa: SIM118
    assert len(tree.findall(".//h1")) == 1
    assert tree.find(".//script") is None
    assert tree.find(".//style") is None
    assert tree.get("lang") == "fr"
    levels = [int(element.tag[1]) for element in tree.iter() if re.fullmatch(r"h\d", _tag(element))]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def _tag(element) -> str:
    return element.tag if isinstance(element.tag, str) else ""
