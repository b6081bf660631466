"""The Django admin: one module a subject. The mirror is read there, and never edited."""
