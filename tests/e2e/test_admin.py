"""An agent's day, in a browser."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.core.management import call_command
from playwright.sync_api import expect

from dsintegration.models import ApiKey, Dossier, JournalEntry
from dsintegration.services import fetch_dossier
from tests.e2e.conftest import SERIOUS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(sandbox, page):
    """Somebody who may read and fetch, and has come in."""
    cache.clear()
    call_command("setup_groups", verbosity=0)
    user = get_user_model().objects.create_user("agent", password="correct horse", is_staff=True)
    user.groups.set(Group.objects.all())
    page.goto("/admin/")
    page.get_by_label("Nom d’utilisateur").fill("agent")
    page.get_by_label("Mot de passe").fill("correct horse")
    page.get_by_role("button", name="Connexion").click()
    return user


def test_the_way_of_an_agent(agent, sandbox, page, audit, picture):
    assert audit(page, SERIOUS) == []
    page.get_by_role("link", name="récupérez le premier par son numéro").click()
    assert audit(page, SERIOUS) == []
    page.get_by_label("Numéros de dossier").fill("n° 12 345")
    page.get_by_role("button", name="Récupérer").click()

    page.get_by_role("heading", name="Dossier n° 12345").wait_for()
    expect(page.get_by_text("Il manque le budget prévisionnel signé")).to_be_visible()
    assert audit(page, SERIOUS) == []

    sandbox.dossiers[12345] = sandbox.dossiers[12345] | {"state": "accepte"}
    page.get_by_role("button", name="Actualiser").click()
    expect(page.get_by_text(": mis à jour.")).to_be_visible()
    expect(page.locator(".ds-etat").get_by_text("Accepté")).to_be_visible()


def test_lists(agent, sandbox, page, audit, picture):
    for number in sandbox.dossiers:
        fetch_dossier(number)
    Dossier.objects.filter(number=12346).update(absent_since="2026-11-20T10:00:00Z")
    page.goto("/admin/dsintegration/dossier/")
    expect(page.get_by_role("link", name="12354")).to_be_visible()
    assert audit(page, SERIOUS) == []
    picture(page, "liste")
    page.get_by_role("link", name="À répondre").click()
    expect(page.get_by_role("link", name="12347")).to_be_visible()
    expect(page.get_by_role("link", name="12345")).to_have_count(0)

    cache.clear()
    page.goto("/admin/")
    expect(page.get_by_text("à répondre").first).to_be_visible()
    assert audit(page, SERIOUS) == []
    picture(page, "accueil", full_page=True)
    for path in ("demarche/", "dossier/export/", "dossier/fetch/"):
        page.goto(f"/admin/dsintegration/{path}")
        assert audit(page, SERIOUS) == []


def test_what_is_in_a_dossier(agent, sandbox, page, audit, picture):
    """A chief chooses; an agent on the telephone, a SIRET in hand, finds and reads."""
    fetch_dossier(12345)
    page.goto("/admin/dsintegration/demarche/")
    page.get_by_role("link", name="Demande de subvention").click()
    page.get_by_role("link", name="Choisir ce qui est conservé").click()
    page.get_by_role("button", name="Lire le formulaire").click()
    expect(page.get_by_text("Champs conservés : 0 sur 32.")).to_be_visible()
    line = page.get_by_role("row", name="Numéro SIRET")
    line.get_by_label("conservé").check()
    line.get_by_label("sert à chercher").check()
    page.get_by_role("row", name="Nom de l'association").get_by_label("conservé").check()
    page.get_by_role("row", name="Nom de l'association").get_by_label("colonne").check()
    page.get_by_label("Le demandeur").check()
    assert audit(page, SERIOUS) == []
    picture(page, "formulaire")
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_text("récupérera le contenu d'un dossier.")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    assert audit(page, SERIOUS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 800})

    page.get_by_role("button", name="Conserver tout le formulaire").click()
    page.get_by_label("L'instruction").check()
    page.get_by_role("button", name="Enregistrer").click()
    fetch_dossier(12345)
    page.goto("/admin/dsintegration/dossier/")
    page.get_by_label("Rechercher").fill("440 117 620 01530")
    page.get_by_role("button", name="Rechercher").click()
    expect(page.get_by_role("cell", name="Les Cordes vocales")).to_be_visible()
    assert audit(page, SERIOUS) == []
    page.get_by_role("link", name="12345").click()
    expect(page.get_by_text("Relevé d'identité bancaire")).to_be_visible()
    expect(page.get_by_role("img", name="Tracé, le nord en haut")).to_be_visible()
    assert audit(page, SERIOUS) == []
    picture(page, "dossier", full_page=True)
    for width, scheme in ((390, "dark"), (390, "light"), (1920, "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        page.reload()
        assert audit(page, SERIOUS) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_refresh_of_a_selection(agent, sandbox, page):
    for number in (12345, 12346):
        fetch_dossier(number)
    page.goto("/admin/dsintegration/dossier/")
    page.get_by_label("Sélectionner tous les objets").check()
    page.locator("select[name=action]").select_option(label="Actualiser les dossiers sélectionnés")
    page.get_by_role("button", name="Envoyer").click()
    expect(page.get_by_text("Dossier n° 12346 : inchangé.")).to_be_visible()


def test_hostile_texts_do_nothing(agent, sandbox, page):
    fetch_dossier(12354)
    dossier = Dossier.objects.get()
    dossier.demarche.title = "<script>document.title='pwned'</script>"
    dossier.demarche.save()
    page.goto(f"/admin/dsintegration/dossier/{dossier.pk}/change/")
    expect(page.get_by_text("<script>alert('ici')</script>")).to_be_visible()
    assert "pwned" not in page.title()


def test_doors(sandbox, page, audit):
    page.goto("/admin/login/")
    assert audit(page, SERIOUS) == []


def test_keyboard_alone(agent, page):
    page.goto("/admin/dsintegration/dossier/fetch/")
    # The browser gives the focus a moment after the page: what was typed before it went nowhere.
    page.wait_for_function("document.activeElement.name === 'numbers'")
    page.keyboard.type("12345")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Dossier n° 12345").wait_for()


def test_axe_finds_nothing_on_any_page(agent, sandbox, page, audit):
    for number in (12345, 12347):
        fetch_dossier(number)
    dossier = Dossier.objects.get(number=12347)
    get_user_model().objects.filter(pk=agent.pk).update(is_superuser=True)
    ApiKey.objects.create_key(name="Portail", all_demarches=True)
    own = [
        "",
        "dossier/",
        "dossier/?situation=a_repondre",
        "dossier/?q=99999999",
        f"dossier/{dossier.pk}/change/",
        f"dossier/{dossier.pk}/history/",
        "dossier/export/",
        "dossier/fetch/",
        "demarche/",
        f"demarche/{dossier.demarche_id}/change/",
        f"demarche/{dossier.demarche_id}/history/",
        "journalentry/",
        f"journalentry/{JournalEntry.objects.order_by('pk')[0].pk}/change/",
        "apikey/",
        "apikey/add/",
        "perimeter/",
        "perimeter/add/",
    ]
    shell = ["auth/user/", "auth/user/add/", f"auth/user/{agent.pk}/change/", "auth/group/add/"]
    shell += ["", "comptes/", "comptes/ajouter/", "password_change/"]
    paths = [*(f"dsintegration/{path}" for path in own), *shell]
    found = {}
    # Beside `page`: axe unfolds the @import of the admin's forms.css, which complains of that.
    audited = page.context.new_page()
    for path in paths:
        audited.goto(f"/admin/{path}")
        if violations := audit(audited):
            found[path] = violations
    assert found == {}
