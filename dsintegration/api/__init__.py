"""The REST API for other systems of the administration (docs/api.md is their page).

Its views state their own policies, so that a project which includes the app needs no settings of
Django REST framework; those of `REST_FRAMEWORK` only tune them.
"""
