"""Which account is whose who comes in by the provider."""

import re
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, models, transaction

from dsintegration import conf
from dsintegration.models import OidcIdentity
from dsintegration.oidc.refusals import LoginRefused, Reason

# What OpenID Connect Core, section 2, lets a `sub` be.
SUBJECT = re.compile(r"[\x21-\x7e]{1,255}")


def account_of(claims: dict[str, Any], provider: conf.OpenID) -> AbstractBaseUser:
    """The account that comes in; found, bound or made. Raises LoginRefused."""
    try:
        return _account_of(claims, provider)
    except IntegrityError:
        # The same person came in at the same time by another page, and has the account now.
        return _account_of(claims, provider)


@transaction.atomic
def _account_of(claims: dict[str, Any], provider: conf.OpenID) -> AbstractBaseUser:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not SUBJECT.fullmatch(subject):
        raise LoginRefused(Reason.INVALID)
    identities = OidcIdentity.objects.filter(issuer=provider.issuer)
    identity = identities.filter(subject=subject).select_related("user").first()
    if identity is not None:
        return _active(identity.user)
    address = verified_address(claims, provider)
    account: Any = _account_at(address)
    if account is None:
        account = _new_account(address, claims)
    else:
        account = _active(account)
        known = identities.filter(user=account).select_for_update().first()
        if known is not None and known.subject == subject:
            return _active(account)  # bound since we looked, by another page
        if known is None or not known.is_open:
            if is_privileged(account):
                raise LoginRefused(Reason.PRIVILEGED)
            if known is not None:
                raise LoginRefused(Reason.OTHER_IDENTITY)
    OidcIdentity.objects.update_or_create(
        issuer=provider.issuer,
        user_id=account.pk,
        defaults={"subject": subject, "open_until": None},
    )
    return _active(account)


def _active(account: Any) -> AbstractBaseUser:
    if not account.is_active:
        raise LoginRefused(Reason.INACTIVE)
    found: AbstractBaseUser = account
    return found


def is_privileged(account: Any) -> bool:
    """Superusers, and whoever says what others see: an address is not enough to become them."""
    change_accounts = f"{account._meta.app_label}.change_{account._meta.model_name}"
    return bool(
        account.is_superuser
        or account.has_perm("dsintegration.change_perimeter")
        or account.has_perm(change_accounts)
    )


def verified_address(claims: dict[str, Any], provider: conf.OpenID) -> str:
    """In lower case. Letters beyond ASCII are refused: some of them pass for others."""
    address = claims.get("email")
    verified = claims.get("email_verified", provider.vouches_for_addresses)
    if verified is not True or not isinstance(address, str) or not address.isascii():
        raise LoginRefused(Reason.UNVERIFIED)
    accounts: Any = get_user_model()
    longest = accounts._meta.get_field(accounts.USERNAME_FIELD).max_length or 0
    try:
        validate_email(address)
    except ValidationError as err:
        raise LoginRefused(Reason.UNVERIFIED) from err
    if len(address) > longest:
        raise LoginRefused(Reason.UNVERIFIED)
    return address.lower()


def _account_at(address: str) -> Any:
    """The one that has the address, be it as its login name; None: nobody."""
    accounts: Any = get_user_model()
    names = {accounts.USERNAME_FIELD, accounts.get_email_field_name()}
    theirs = models.Q()
    for name in names:
        theirs |= models.Q(**{f"{name}__iexact": address})
    found = list(accounts._default_manager.filter(theirs)[:2])
    if len(found) > 1:
        raise LoginRefused(Reason.AMBIGUOUS)
    return found[0] if found else None


def _new_account(address: str, claims: dict[str, Any]) -> Any:
    """It may open the admin, and has no rights there."""
    accounts: Any = get_user_model()
    values = {
        "is_staff": True,
        "first_name": claims.get("given_name"),
        "last_name": claims.get("usual_name") or claims.get("family_name"),
        accounts.USERNAME_FIELD: address,
        accounts.get_email_field_name(): address,
    }
    account = accounts()
    for name, value in values.items():
        try:
            field = accounts._meta.get_field(name)
        except FieldDoesNotExist:
            continue
        if isinstance(value, str):
            value = "".join(filter(str.isprintable, value))[: field.max_length]
        if value:
            setattr(account, name, value)
    account.set_unusable_password()
    account.save()
    return account
