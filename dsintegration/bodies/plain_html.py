"""HTML of mails brought down to its lines: what a reader needs, well nested, in linear time.

A sanitiser that mends nesting as browsers do takes minutes for hostile nesting, and drops the tags
that it does not know with the lines that they made. Whoever shows the result sanitises it all the
same (bodies/__init__.py): nothing here decides what is harmless.
"""

import html
import re

# Elements that stay, besides those of tables; those that make lines like a <div>.
INLINE = {"a", "b", "del", "em", "i", "s", "strong", "sub", "sup", "u"}
_LIKE_DIV = {
    "address", "article", "aside", "body", "center", "dd", "details", "dir", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "legend", "main",
    "menu", "nav", "option", "section", "summary",
}  # fmt: skip
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_BLOCKS = (
    dict.fromkeys(_LIKE_DIV, "div")
    | dict.fromkeys(_HEADINGS, "heading")
    | {name: name for name in ("p", "pre", "blockquote", "ul", "ol", "li", "table")}
)
TAGS = INLINE | {"blockquote", "br", "div", "hr", "li", "ol", "p", "pre", "ul"}
TAGS |= {"table", "tbody", "td", "th", "tr"}

# The page has headings of its own, in an order of their own.
_START = {"heading": "<p><strong>"}
_END = {
    "heading": "</strong></p>\n",
    "div": "</div>\n",
    "tr": "</tr>\n",
    "td": "</td> ",
    "th": "</th> ",
}
_PARAGRAPHS = {"p", "heading"}
_LISTS, _CELLS, _ROWS = {"ul", "ol"}, {"td", "th"}, {"tbody", "thead", "tfoot", "colgroup"}
# What is not for a reader, to its end.
_HIDDEN = {"script", "style", "title", "template"}

# No letter of a mail is nested so deep; beyond, only the lines stay.
DEPTH, INLINES = 30, 8
LONGEST_LINK = 2000
# A format that goes on over several blocks is written again in each. After so many letters of such
# tags, none does: it ends with its block.
MOST_LETTERS = 50_000

_BEGINNING = re.compile(r"<(?:[!?]|/?[a-z])", re.IGNORECASE)
_COMMENT = re.compile(r"<!--(?:-?>|.*?(?:--!?>|\Z))|<[!?][^>]*+(?:>|\Z)", re.DOTALL)
_TAG = re.compile(
    r"<(/?)([a-z][^\s/>]*+)((?:[^>\"'=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')?+|[\"'])*+)>",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"([^\s\"'=/>]++)(?:\s*+=\s*+(\"[^\"]*+\"|'[^']*+'|[^\s\"'>]++))?+")


def plain_html(mail: str) -> str:
    """The same lines in few elements, without attributes but the addresses of links.

    No letter of the text is a reference there but `&amp;` and `&lt;`.
    """
    if "<" not in mail:
        return _escaped(mail).replace("\n", "<br>")
    page = _Page()
    place = 0
    while found := _BEGINNING.search(mail, place):
        start = found.start()
        page.text(mail[place:start])
        place = start
        if comment := _COMMENT.match(mail, start):
            place = comment.end()
        elif tag := _TAG.match(mail, start):
            name = tag[2].lower()
            place = tag.end()
            if name in _HIDDEN and not tag[1]:
                end = re.compile(rf"</{name}[\s/>]", re.IGNORECASE).search(mail, place)
                place = end.start() if end else len(mail)
            elif tag[1]:
                page.end(name)
            else:
                page.start(name, tag[3])
        else:
            break  # it never ends: it was a letter among others
    page.text(mail[place:])
    return page.finished()


class _Page:
    """What is written so far. Formats lie in the blocks, never around them: each block that text
    comes into opens them anew.
    """

    def __init__(self) -> None:
        self._out: list[str] = []
        self._blocks: list[str] = []
        # Formats that hold, outermost first, with their tags; so many of them are written.
        self._formats: list[tuple[str, str]] = []
        self._written = self._letters = 0
        # Blocks that are too deep, by name.
        self._skipped: dict[str, int] = {}

    def finished(self) -> str:
        while self._blocks:
            self._pop()
        self._close_formats()
        return "".join(self._out).strip()

    def text(self, text: str) -> None:
        if text.isspace() and self._is_between_cells():
            return
        if text:
            self._make_room()
            self._out += [tag for _, tag in self._formats[self._written :]]
            self._written = len(self._formats)
            self._out.append(_escaped(text))

    def start(self, name: str, attributes: str) -> None:
        if name in INLINE:
            self._start_format(name, attributes)
        elif name == "br":
            self._make_room()
            self._out.append("<br>")
        elif name == "hr":
            self._before_block()
            self._out.append("<hr>")
        elif name in _BLOCKS:
            self._start_block(_BLOCKS[name])
        elif name in {"caption", "tr", *_CELLS, *_ROWS}:
            self._start_in_table(name)

    def end(self, name: str) -> None:
        if name in INLINE:
            self._end_format(name)
        elif name == "br":
            self.start("br", "")
        elif name in _BLOCKS:
            self._end_block(_BLOCKS[name])
        elif name in {"caption", "tr", *_CELLS}:
            self._end_in_table("tr" if name == "caption" else name)

    # Formats

    def _start_format(self, name: str, attributes: str) -> None:
        if name == "a":
            self._end_format("a")
        if len(self._formats) < INLINES:
            self._formats.append((name, _link(attributes) if name == "a" else f"<{name}>"))

    def _end_format(self, name: str) -> None:
        for rank in reversed(range(len(self._formats))):
            if self._formats[rank][0] == name:
                self._close_formats(rank)
                del self._formats[rank]
                return

    def _close_formats(self, kept: int = 0) -> None:
        if self._written > kept:
            closed = self._formats[kept : self._written]
            self._out += [f"</{name}>" for name, _ in reversed(closed)]
            self._letters += sum(len(tag) for _, tag in closed)
            self._written = kept

    # Blocks

    def _start_block(self, name: str) -> None:
        self._before_block()
        if name == "li":
            self._close_down_to({"li"}, within=_LISTS | _CELLS)
        if len(self._blocks) >= DEPTH:
            self._skipped[name] = self._skipped.get(name, 0) + 1
            self._line()
        else:
            self._push(name)

    def _end_block(self, name: str) -> None:
        if self._skipped.get(name):
            self._skipped[name] -= 1
            self._line()
            return
        was_open = self._close_down_to({name}, within=set() if name == "table" else _CELLS)
        if name == "p" and not was_open:  # an empty one, as browsers see it
            self._make_room()
            self._line()

    def _before_block(self) -> None:
        if self._blocks and self._blocks[-1] in _PARAGRAPHS:
            self._pop()
        self._make_room()
        self._close_formats()
        if self._letters > MOST_LETTERS:
            self._formats.clear()

    def _push(self, name: str) -> None:
        self._close_formats()
        self._out.append(_START.get(name, f"<{name}>"))
        self._blocks.append(name)

    def _pop(self) -> None:
        self._close_formats()
        name = self._blocks.pop()
        end = _END.get(name, f"</{name}>")
        self._out.append(end.strip() if "pre" in self._blocks else end)

    def _close_down_to(self, names: set[str], within: set[str]) -> bool:
        """Close the innermost of `names`, with what is in it, but nothing around a `within`."""
        for rank in reversed(range(len(self._blocks))):
            if self._blocks[rank] in names:
                while len(self._blocks) > rank:
                    self._pop()
                return True
            if self._blocks[rank] in within:
                return False
        return False

    def _line(self) -> None:
        self._close_formats()
        if self._out and self._out[-1] != "<br>":
            self._out.append("<br>")

    # Tables

    def _start_in_table(self, name: str) -> None:
        if "table" not in self._blocks:
            if name not in _ROWS:
                self._start_block("div")
            return
        self._close_rows(keep_row=name in _CELLS)
        if name in _ROWS:
            return
        if self._blocks[-1] == "table":
            self._push("tr")
        if name != "tr":
            self._push("td" if name == "caption" else name)

    def _end_in_table(self, name: str) -> None:
        if "table" not in self._blocks:
            self._end_block("div")
        else:
            self._close_down_to({name}, within={"table"})

    def _close_rows(self, *, keep_row: bool) -> None:
        while self._blocks[-1] != "table" and not (keep_row and self._blocks[-1] == "tr"):
            self._pop()

    def _is_between_cells(self) -> bool:
        return bool(self._blocks) and self._blocks[-1] in {"table", "tr"}

    def _make_room(self) -> None:
        """What stands between the cells of a table would be thrown out of it."""
        if self._is_between_cells():
            if self._blocks[-1] == "table":
                self._push("tr")
            self._push("td")


def _escaped(text: str) -> str:
    return html.unescape(text).replace("&", "&amp;").replace("<", "&lt;")


def _link(attributes: str) -> str:
    for attribute in _ATTRIBUTE.finditer(attributes):
        if attribute[1].lower() == "href" and attribute[2]:
            address = attribute[2].strip("\"'").replace('"', "&quot;")
            return f'<a href="{address}">' if len(address) <= LONGEST_LINK else "<a>"
    return "<a>"
