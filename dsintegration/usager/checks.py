"""System checks of what the usager's page needs in production, `manage.py check --deploy`."""

from collections.abc import Iterator
from typing import Any

from django.conf import global_settings, settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.template import Template, TemplateDoesNotExist, loader
from django.template.loader_tags import BlockNode, ExtendsNode

from dsintegration import conf
from dsintegration.usager.colors import DARK_GROUND, LIGHT_GROUND, READABLE, contrast

# What a page of ours fills in its layout, and what is lost without it.
BLOCKS = {
    "content": "la page de l'usager serait vide",
    "title": "la page de l'usager n'aurait pas son titre",
    "styles": "la page de l'usager n'aurait pas sa présentation",
}


def check_layout(**_: Any) -> list[CheckMessage]:
    try:
        name = conf.base_template()
    except ImproperlyConfigured:
        return []  # one of dsintegration.E… says so
    try:
        template = loader.get_template(name)
    except TemplateDoesNotExist:
        return [
            Error(
                f"Le gabarit {name} est introuvable.",
                hint="Les gabarits de l'application se trouvent avec APP_DIRS=True ; "
                "DS_BASE_TEMPLATE désigne un gabarit du projet.",
                id="dsintegration.E021",
            )
        ]
    blocks = set(_blocks(getattr(template, "template", None)))
    return [
        (Error if block == "content" else Warning)(
            f"Le gabarit {name} (DS_BASE_TEMPLATE) n'a pas de bloc « {block} » : {lost}.",
            hint=f"Ajoutez-y {{% block {block} %}}{{% endblock %}} : docs/integration.md.",
            id="dsintegration.E022" if block == "content" else "dsintegration.W025",
        )
        for block, lost in BLOCKS.items()
        if block not in blocks
    ]


def _blocks(template: Template | None) -> Iterator[str]:
    """The names of the blocks of a template, and of those that it extends by a plain name."""
    if template is None:  # of another engine than Django's
        yield from BLOCKS
        return
    kinds: Any = (BlockNode, ExtendsNode)
    nodes: list[Any] = template.nodelist.get_nodes_by_type(kinds)
    for node in nodes:
        if isinstance(node, BlockNode):
            yield node.name
        elif isinstance(parent := node.parent_name.var, str):
            yield from _blocks(template.engine.get_template(parent))
        else:
            yield from BLOCKS


def check_usager_page(**_: Any) -> list[CheckMessage]:
    try:
        organisation, public_url = conf.organisation(), conf.public_url()
    except ImproperlyConfigured:
        return []  # dsintegration.E007 and E008 say so
    found: list[CheckMessage] = []
    for name, color, ground in (
        ("DS_ORGANISATION_COLOR", organisation.color, LIGHT_GROUND),
        ("DS_ORGANISATION_COLOR_DARK", organisation.color_dark, DARK_GROUND),
    ):
        if color and contrast(color, ground) < READABLE:
            found.append(
                Warning(
                    f"{name} ne se lit pas assez bien sur le fond de la page ({ground}) : son "
                    f"contraste doit être d'au moins {READABLE}.",
                    hint="Prenez une nuance plus foncée ; pour un écran sombre, plus claire.",
                    id="dsintegration.W021",
                )
            )
    if not getattr(settings, "DS_ORGANISATION_NAME", ""):
        found.append(
            Warning(
                "DS_ORGANISATION_NAME manque : pages et courriels de l'usager ne disent pas de qui "
                "ils viennent.",
                hint="Mettez-y le nom de votre administration.",
                id="dsintegration.W022",
            )
        )
    if settings.DEFAULT_FROM_EMAIL == global_settings.DEFAULT_FROM_EMAIL:
        found.append(
            Warning(
                "DEFAULT_FROM_EMAIL manque : les courriels aux usagers seraient refusés ou perdus.",
                hint="Mettez-y une adresse de votre domaine, par exemple ne-pas-repondre@…",
                id="dsintegration.W023",
            )
        )
    if "*" in settings.ALLOWED_HOSTS and not public_url:
        found.append(
            Warning(
                "ALLOWED_HOSTS accepte tous les noms et DS_PUBLIC_URL manque : n'importe qui "
                "pourrait faire écrire à un usager un lien qui mène ailleurs.",
                hint="Mettez dans DS_PUBLIC_URL l'adresse de votre site.",
                id="dsintegration.W024",
            )
        )
    return found
