"""Agents who come in by ProConnect, or any other OpenID provider; needs the extra `[oidc]`.

An account is known by the provider's `sub`. The first time it is found by an address that the
provider has verified, never that of a superuser or a *responsable*; an unknown address makes a new
account, which sees nothing before somebody gives it groups.
"""
