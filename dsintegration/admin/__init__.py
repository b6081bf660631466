"""The Django admin: one module a subject. The mirror is read there, and never edited."""

from dsintegration.admin import api_keys, demarches, dossiers, journal, perimeters

__all__ = ["api_keys", "demarches", "dossiers", "journal", "perimeters"]
