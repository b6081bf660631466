"""System checks of what the usager's page needs in production, `manage.py check --deploy`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import global_settings, settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.template import Template, TemplateDoesNotExist, loader
from django.template.loader import get_template
from django.template.loader_tags import BlockNode, ExtendsNode

import dsintegration
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
            id="dsintegration.E022" if block == "content" else "dsintegration.W028",
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


STATEMENT = "dsintegration/usager/accessibility.html"


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
    if not public_url:
        found.append(
            Warning(
                "DS_PUBLIC_URL manque : aucun lien ne partira, sauf de cette machine elle-même. "
                "Ce que le navigateur dit de notre adresse pourrait mener ailleurs.",
                hint="Mettez-y l'adresse de votre site, comme https://dossiers.example.org.",
                id="dsintegration.W024",
            )
        )
    return [*found, *_check_legal_pages(organisation)]


def _check_legal_pages(organisation: conf.Organisation) -> list[CheckMessage]:
    """What the law wants a public service to say, and only the administration can."""
    found: list[CheckMessage] = []
    if not organisation.accessibility_url and _is_the_model(STATEMENT):
        found.append(
            Warning(
                "La déclaration d'accessibilité est encore le modèle livré : il faut la remplir.",
                hint=f"Copiez {STATEMENT} dans vos gabarits et complétez-la, ou donnez l'adresse "
                "de la vôtre dans DS_ORGANISATION_ACCESSIBILITY_URL.",
                id="dsintegration.W025",
            )
        )
    for name, url, what, id in (
        ("DS_ORGANISATION_LEGAL_URL", organisation.legal_url, "les mentions légales", "W026"),
        (
            "DS_ORGANISATION_PRIVACY_URL",
            organisation.privacy_url,
            "les données personnelles",
            "W027",
        ),
    ):
        if not url:
            found.append(
                Warning(
                    f"{name} manque : les pages de l'usager ne mènent à rien sur {what}, que la "
                    "loi demande.",
                    hint="Mettez-y l'adresse de cette page sur votre site.",
                    id=f"dsintegration.{id}",
                )
            )
    return found


def _is_the_model(template: str) -> bool:
    """Whether the project has put nothing of its own before our template."""
    origin = Path(get_template(template).origin.name)  # type: ignore[attr-defined]
    return origin.is_relative_to(Path(dsintegration.__file__).parent)
