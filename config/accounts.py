"""The accounts of agents, which *responsables* make themselves.

They never touch superusers, other responsables or themselves; an account with anything beyond what
they may give (another service's group, a right of its own) does not exist for them.
"""

import secrets
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_variables

from dsintegration.admin.kept import keep_typed
from dsintegration.models import Perimeter
from dsintegration.perimeters import sight_of

# Whoever says which service sees what says who is in it.
RIGHT = "dsintegration.change_perimeter"
AGENTS = ("Agents (lecture)", "Agents (récupération)", "Agents (export)", "Agents (réponses)")
EVERYWHERE = "Toutes les démarches"


def groups_given_by(account: Any) -> QuerySet[Group]:
    """The agents' groups, and the services that lie within what the account sees."""
    sight = sight_of(account)
    if sight.demarches is None:
        services = Perimeter.objects.values("group")
        return Group.objects.filter(
            Q(pk__in=services, permissions=None) | Q(name__in=[*AGENTS, EVERYWHERE])
        ).distinct()
    given = Perimeter.demarches.through.objects
    beyond = given.exclude(demarche__in=list(sight.demarches)).values("perimeter")
    services = Perimeter.objects.exclude(pk__in=beyond).values("group")
    return Group.objects.filter(
        Q(pk__in=services, permissions=None) | Q(name__in=AGENTS)
    ).distinct()


def accounts_of(account: Any) -> QuerySet[User]:
    """Those that the account may change."""
    elsewhere = User.groups.through.objects.exclude(group__in=groups_given_by(account))
    return (
        User.objects.filter(is_superuser=False, user_permissions=None)
        .exclude(pk=account.pk)
        .exclude(pk__in=elsewhere.values("user"))
        .order_by("username")
    )


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    new_password = forms.BooleanField(
        label="Lui donner un nouveau mot de passe",
        required=False,
        help_text="Il est montré une seule fois, sur la page suivante.",
    )

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email", "is_active", "groups")
        widgets = {"groups": forms.CheckboxSelectMultiple}  # noqa: RUF012
        labels = {"groups": "Groupes et services"}  # noqa: RUF012
        help_texts = {  # noqa: RUF012
            "groups": "Les groupes « Agents » donnent des droits, les services des démarches."
        }

    def __init__(self, *args: Any, by: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups: Any = self.fields["groups"]
        groups.queryset = groups_given_by(by).order_by("name")
        if self.instance.pk is None or not settings.LOCAL_PASSWORDS:
            del self.fields["new_password"]
        if not settings.LOCAL_PASSWORDS:
            # What the first login finds the account by.
            self.fields["email"].required = True


def _check(request: HttpRequest) -> None:
    if not request.user.has_perm(RIGHT):
        raise PermissionDenied


def list_view(request: HttpRequest) -> HttpResponse:
    _check(request)
    accounts = accounts_of(request.user).prefetch_related("groups")
    return _page(request, "list.html", "Comptes des agents", {"accounts": accounts})


def add_view(request: HttpRequest) -> HttpResponse:
    return _edit(request, None)


def change_view(request: HttpRequest, pk: int) -> HttpResponse:
    _check(request)
    return _edit(request, get_object_or_404(accounts_of(request.user), pk=pk))


@sensitive_variables()
def _edit(request: HttpRequest, account: User | None) -> HttpResponse:
    _check(request)
    form = AccountForm(request.POST or None, instance=account, by=request.user)
    heading = f"Compte {account.get_username()}" if account else "Nouveau compte d'agent"
    if request.method == "POST" and form.is_valid():
        made: User = form.save(commit=False)
        made.is_staff, made.is_superuser = True, False
        password = ""
        if account is None and not settings.LOCAL_PASSWORDS:
            made.set_unusable_password()
        elif account is None or form.cleaned_data.get("new_password"):
            password = secrets.token_urlsafe(12)
            made.set_password(password)
        made.save()
        form.save_m2m()
        _log(request, made, is_new=account is None)
        if not password:
            messages.success(request, f"Compte {made.get_username()} : enregistré.")
            return HttpResponseRedirect(reverse("accounts"))
        context = {"account": made, "password": password}
        response = _page(request, "password.html", f"Compte {made.get_username()}", context)
        add_never_cache_headers(response)
        return response
    title = f"Erreur : {heading}" if form.errors else heading
    return _page(request, "form.html", title, {"form": form, "heading": heading})


def _log(request: HttpRequest, account: User, *, is_new: bool) -> None:
    LogEntry.objects.create(
        user_id=request.user.pk,  # type: ignore[misc]
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(account.pk),
        object_repr=account.get_username()[:200],
        action_flag=ADDITION if is_new else CHANGE,
        change_message=f"Groupes : {', '.join(group.name for group in account.groups.all())}",
    )


def _page(request: HttpRequest, name: str, title: str, context: dict[str, Any]) -> HttpResponse:
    return TemplateResponse(
        request,
        f"admin/accounts/{name}",
        {**admin.site.each_context(request), "title": title, "heading": title, **context},
    )


def _kept(view: Any) -> Any:
    return keep_typed(admin.site, admin.site.admin_view(view))


urlpatterns = [
    path("", admin.site.admin_view(list_view), name="accounts"),
    path("ajouter/", _kept(add_view), name="accounts_add"),
    path("<int:pk>/", _kept(change_view), name="accounts_change"),
]
