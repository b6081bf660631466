"""The Django admin: one module a subject. The mirror is read there, and never edited."""

from dsintegration.admin import demarches, dossiers

__all__ = ["demarches", "dossiers"]
