"""The usager's page: whoever filed a dossier sees where it stands, with its number.

Numbers can be guessed, so a number alone opens nothing: a link goes to the address that the
platform has for the dossier. No answer of ours tells whether a dossier exists, is ours, or belongs
to somebody.
"""
