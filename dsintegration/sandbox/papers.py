"""Papers that people send, as small PDF files."""


def paper(*lines: str) -> bytes:
    """One page with these lines, which hold no letter beyond Latin-1."""
    text = "".join(f"({_escaped(line)}) Tj 0 -18 Td " for line in lines)
    page = f"BT /F1 12 Tf 60 780 Td {text}ET".encode("latin-1")
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 5 0 R"
        b"/Resources<</Font<</F1 4 0 R>>>>>>",
        font,
        b"<</Length %d>>stream\n%s\nendstream" % (len(page), page),
    ]
    body = b"%PDF-1.4\n"
    places = []
    for rank, content in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj%s\nendobj\n" % (rank, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        len(body),
    )
    return body + head + table + tail


def _escaped(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
