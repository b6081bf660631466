"""Dossiers of Démarche numérique in an administration's own information system."""

__version__ = "0.1.0"
