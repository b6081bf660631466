"""The admin pages that are the shell's alone."""

from config import people

__all__ = ["people"]
