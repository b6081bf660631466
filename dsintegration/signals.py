"""What the SI may hook its own work to. Sent once, after the commit, by whoever stored the change.

A receiver that fails is logged by Django and stops nothing. docs/signaux.md has an example.
"""

from django.dispatch import Signal

# sender: Dossier; dossier; created (bool); fields (frozenset of the names that our JSON uses).
# A démarche's new title is said of the dossiers in the answer that brought it, not of all others.
dossier_changed = Signal()

# sender: Message; message: one that was not known before, and that can be read.
message_received = Signal()

# sender: Dossier; number, demarche_number: of a dossier that the purge erased, with its messages.
# It may come back: dossier_changed then says that it was created.
dossier_purged = Signal()

# No arguments. A purge has done what it had to: whoever keeps things of his own may forget too.
purge_ended = Signal()
