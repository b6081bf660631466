"""A server in a process of its own that sends prepared answers at once.

What it does itself counts for both sides of a ratio, so it does next to nothing: a slow server
would flatter us.
"""

import json
import re
import socket
import sys
import threading
from base64 import b64encode

MODEL = 28_700_000


def answer(messages: int, champs: int = 0) -> bytes:
    """The answer for dossier MODEL; each id holds its number, as text, to be replaced."""
    content = [
        {
            "__typename": "TextChamp",
            "id": f"Champ-{rank}",
            "champDescriptorId": f"Champ-{rank}",
            "label": f"Question n° {rank}, telle que le formulaire la pose",
            "stringValue": f"Réponse {rank} du dossier 28700000",
        }
        for rank in range(champs)
    ]
    dossier = {
        "id": "Dossier-28700000",
        "number": MODEL,
        "state": "en_instruction",
        "dateDerniereModification": "2026-10-02T11:20:37+02:00",
        "dateDepot": "2026-09-07T10:02:11+02:00",
        "datePassageEnConstruction": "2026-09-07T10:02:11+02:00",
        "datePassageEnInstruction": "2026-09-21T09:30:00+02:00",
        "dateTraitement": None,
        "dateExpiration": None,
        "dateSuppressionParUsager": None,
        "dateDerniereCorrectionEnAttente": None,
        "usager": {"id": "VXNlci01", "email": "camille.durand@example.org"},
        "demarche": {
            "id": b64encode(b"Procedure-901").decode(),
            "number": 901,
            "title": "Demande de subvention pour une manifestation culturelle",
        },
        "messages": [
            {
                "id": f"Commentaire-28700000-{rank}",
                "email": "instruction@agglo.example.org",
                "body": "Bonjour, il manque le budget signé. Cordialement, le service. " * 4,
                "createdAt": "2026-09-14T15:41:08+02:00",
                "discardedAt": None,
                "attachments": [],
            }
            for rank in range(messages)
        ],
    }
    if champs:
        # However it is asked for (platform/content.py).
        dossier |= {"champs": content, **{f"c{n}": [champ] for n, champ in enumerate(content)}}
    return json.dumps({"data": {"dossier": dossier}}, ensure_ascii=False).encode()


def serve(connection: socket.socket, prepared: dict[int, bytes]) -> None:
    """Answer each request: the thousands of its number choose how many messages come."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    received = b""
    with connection:
        while chunk := connection.recv(65536):
            received += chunk
            head, separator, body = received.partition(b"\r\n\r\n")
            if not separator:
                continue
            length = int(re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)[1])
            if len(body) < length:
                continue
            received = body[length:]
            number = re.search(rb'"number": ?(\d{8})', body)[1]
            content = prepared[int(number[2:4])].replace(b"28700000", number)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(content), content)
            )


def main(words: list[str]) -> None:
    """Print the port, then serve dossiers under the numbers 28 i0 0000…: word i says how many
    messages they have, and behind a colon how many champs.
    """
    counts = (map(int, word.split(":")) for word in words)
    prepared = {rank: answer(*count) for rank, count in enumerate(counts)}
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, prepared), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1:])
