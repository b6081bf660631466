"""The way of an usager in a browser: from the form through the mail to the page, and out."""

import re
import time
from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Page, expect

from dsintegration.models import Dossier, UsagerAccess
from dsintegration.sandbox import Reply
from dsintegration.usager.links import make_link
from tests.factories import DemarcheFactory, DossierFactory, MessageFactory

pytestmark = pytest.mark.django_db(transaction=True)

USAGER = "bureau@lescordesvocales.example.org"
PHONE = {"width": 320, "height": 640}
DESKTOP = {"width": 1000, "height": 900}


@pytest.fixture(autouse=True)
def organisation(sandbox, settings):
    cache.clear()
    settings.DS_PUBLIC_URL = ""  # the live server stands on this very machine
    settings.DS_SITE_URL = "https://demarche.numerique.gouv.fr"
    settings.DS_ORGANISATION_NAME = "Ville d'Exemple"
    settings.DS_ORGANISATION_LEGAL_URL = "/mentions-legales/"
    settings.DS_ORGANISATION_PRIVACY_URL = "/donnees-personnelles/"
    settings.DS_ORGANISATION_CONTACT_URL = "https://www.example.org/contact"


def ask(page: Page, number: str, email: str = USAGER) -> None:
    page.goto("/suivi/")
    page.get_by_label("Numéro du dossier").fill(number)
    page.get_by_label("Votre adresse électronique").fill(email)
    page.get_by_role("button", name="Recevoir le lien").click()
    page.get_by_role("heading", name="Consultez vos courriels").wait_for()


def link_in_the_mail(count: int = 1) -> str:
    for _ in range(100):
        if len(mail.outbox) >= count:
            return re.search(r"http://\S+", mail.outbox[count - 1].body)[0]
        time.sleep(0.1)
    raise AssertionError("no mail came")


def open_dossier(page: Page, number: str, email: str = USAGER) -> None:
    count = len(mail.outbox) + 1
    ask(page, number, email)
    page.goto(link_in_the_mail(count))
    page.get_by_role("button", name="Voir mon dossier").click()
    page.get_by_role("heading", name=f"Dossier n° {number}").wait_for()


def fits(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_whole_way(page, audit, picture):
    page.set_viewport_size(DESKTOP)
    page.goto("/suivi/")
    assert audit(page) == []
    page.set_viewport_size({"width": 900, "height": 760})
    picture(page, "suivi-formulaire")
    page.set_viewport_size(DESKTOP)
    page.get_by_role("button", name="Recevoir le lien").click()
    expect(page.get_by_label("Numéro du dossier")).to_be_focused()
    assert audit(page) == []

    page.get_by_label("Numéro du dossier").fill("n° 12 345")
    page.get_by_label("Votre adresse électronique").fill(f" {USAGER.upper()} ")
    page.get_by_role("button", name="Recevoir le lien").click()
    page.get_by_role("heading", name="Consultez vos courriels").wait_for()
    assert audit(page) == []

    page.goto(link_in_the_mail())
    assert audit(page) == []
    page.get_by_role("button", name="Voir mon dossier").click()
    expect(page.get_by_text("Le service examine votre demande.")).to_be_visible()
    assert page.url.endswith("/suivi/12345/")
    assert audit(page) == []
    picture(page, "suivi-bureau", full_page=True)

    page.get_by_role("link", name="Lire ce message").click()
    expect(page.get_by_role("heading", name="Le message à lire")).to_be_in_viewport()
    page.get_by_text("Les 4 autres messages").click()
    expect(page.get_by_text("Il manque le budget prévisionnel signé")).to_be_visible()
    assert audit(page) == []

    page.get_by_role("button", name="Actualiser").click()
    # Where the eye and the focus land.
    result = page.get_by_text("C'est vérifié : voici ce que Démarche numérique vient de répondre.")
    expect(result).to_be_in_viewport()
    page.keyboard.press("Tab")
    focused = "document.activeElement.textContent"
    assert "Ouvrir mon dossier" in page.evaluate(focused)
    assert audit(page) == []

    page.get_by_role("button", name="Quitter").click()
    page.get_by_role("heading", name="Vos dossiers sont refermés").wait_for()
    assert audit(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(page, audit, picture, scheme):
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=scheme)
    page.goto("/suivi/")
    assert fits(page)
    assert audit(page) == []
    open_dossier(page, "12345")
    assert fits(page)
    assert audit(page) == []
    picture(page, "suivi-telephone" if scheme == "light" else "suivi-sombre", full_page=True)


def test_at_200_percent(page, audit):
    """A window of 1280 pixels shows 640 of the page's; some enlarge the letters alone."""
    page.set_viewport_size({"width": 640, "height": 450})
    open_dossier(page, "12345")
    assert fits(page)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert fits(page)
    assert audit(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_dossier(page, audit, sandbox, scheme):
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=scheme)
    correction = {"dateDerniereCorrectionEnAttente": "2026-10-21T10:00:00+02:00"}
    sandbox.dossiers[12347] = sandbox.dossiers[12347] | correction
    for number, dossier in sandbox.dossiers.items():
        if dossier["usager"]["id"] == "<deleted>":
            continue
        cache.clear()
        open_dossier(page, str(number), dossier["usager"]["email"])
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert fits(page), number
        assert audit(page) == [], number
        if (number, scheme) == (12347, "light"):
            expect(page.get_by_role("link", name="Corriger mon dossier")).to_be_visible()


TITLE = "Dotation d'équipement des territoires ruraux 2026 – Arrondissement de Dreux et Châteaudun"


@pytest.fixture
def stored():
    """A dossier as they are met, open in no browser yet."""
    now = timezone.now()
    demarche = DemarcheFactory(
        title=TITLE, service_nom="Bureau des dotations", service_organisme="Préfecture d'Exemple"
    )

    def store(number: int, **fields) -> Dossier:
        moments = {"fetched_at": now, "checked_at": now, "date_depot": now - timedelta(days=40)}
        return DossierFactory(**{"number": number, "demarche": demarche} | moments | fields)

    return store


def enter(page: Page, dossier: Dossier) -> None:
    page.goto(f"/suivi/lien/{make_link(dossier)[1]}/")
    page.get_by_role("button", name="Voir mon dossier").click()
    page.get_by_role("heading", name=f"Dossier n° {dossier.number}").wait_for()


def test_the_first_screen_of_a_phone_says_what_is_to_be_done(page, audit, stored):
    page.set_viewport_size({"width": 390, "height": 660})
    now = timezone.now()
    ago = now - timedelta(days=3)
    said = {
        28711001: ("Le service vous a écrit le", {}),
        28711002: (
            "Une correction vous est demandée",
            {"date_derniere_correction_en_attente": ago},
        ),
        28711003: ("Votre dossier n'est plus sur Démarche numérique", {"absent_since": ago}),
        28711004: ("Votre dossier a été effacé", {"absent_since": ago, "erased_at": ago}),
        28711005: ("Ces informations sont anciennes", {"checked_at": ago}),
        28711006: ("Vous n'avez rien à faire pour l'instant", {}),
        28711007: ("Votre demande est refusée.", {"state": "refuse", "date_traitement": ago}),
        28711008: ("En pause", {"state": "en_pause"}),
    }
    for number, (words, fields) in said.items():
        dossier = stored(number, **fields)
        if number in {28711001, 28711002}:
            MessageFactory(dossier=dossier, body="Il manque votre RIB.", created_at=ago)
        enter(page, dossier)
        expect(page.get_by_text(words).first).to_be_in_viewport(ratio=1)
        assert fits(page), number
        assert audit(page) == [], number


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_dossiers(page, audit, picture, stored, scheme):
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=scheme)
    first = stored(28711001, state="en_instruction")
    stored(28711002)
    stored(28711003, state="accepte", date_traitement=timezone.now())
    enter(page, first)
    page.get_by_role("link", name="Tous mes dossiers suivis ici").click()
    page.get_by_role("heading", name="Vos dossiers").wait_for()
    assert page.get_by_role("listitem").filter(has_text="Dossier n°").count() == 3
    assert fits(page)
    assert audit(page) == []
    if scheme == "light":
        picture(page, "suivi-liste", full_page=True)
    page.get_by_role("link", name="Dossier n° 28711003").click()
    page.get_by_role("heading", name="Dossier n° 28711003").wait_for()
    page.go_back()
    page.get_by_role("button", name="Quitter").click()
    page.get_by_role("heading", name="Vos dossiers sont refermés").wait_for()
    assert audit(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_statement_of_accessibility(page, audit, scheme):
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=scheme)
    page.goto("/suivi/")
    page.get_by_role("link", name="Accessibilité : non conforme").click()
    page.get_by_role("heading", name="Déclaration d'accessibilité").wait_for()
    assert fits(page)
    assert audit(page) == []


def test_nothing_that_was_typed_is_lost(page):
    page.goto("/suivi/")
    ask(page, "n° 28 711 001", "mairie@example.org")
    expect(page.get_by_text("n° 28 711 001")).to_be_visible()
    page.get_by_role("link", name="Corriger le numéro ou l'adresse").click()
    expect(page.get_by_label("Numéro du dossier")).to_have_value("n° 28 711 001")
    expect(page.get_by_label("Votre adresse électronique")).to_have_value("mairie@example.org")


def test_a_refresh_that_fails_says_so_where_one_looks(page, sandbox):
    page.set_viewport_size(PHONE)
    open_dossier(page, "12345")
    sandbox.replies[12345] = Reply(503, {})
    page.get_by_role("button", name="Actualiser").click()
    expect(page.get_by_text("rien n'a pu être vérifié")).to_be_in_viewport()


def test_with_a_keyboard(page):
    page.goto("/suivi/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Aller au contenu")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("12345")
    page.keyboard.press("Tab")
    page.keyboard.type(USAGER)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Consultez vos courriels").wait_for()
    page.goto(link_in_the_mail())
    button = page.get_by_role("button", name="Voir mon dossier")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(button).to_be_focused()
    assert button.evaluate("each => getComputedStyle(each).outlineWidth") == "3px"
    page.keyboard.press("Space")
    page.get_by_role("heading", name="Dossier n° 12345").wait_for()
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Il manque le budget prévisionnel signé")).to_be_visible()


def test_in_print(page):
    open_dossier(page, "12345")
    page.emulate_media(media="print", color_scheme="dark")
    for name in ("Actualiser", "Quitter"):
        expect(page.get_by_role("button", name=name)).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    after = "each => getComputedStyle(each, '::after').content"
    assert "/dossiers/12345" in page.locator(".actions a").first.evaluate(after)
    # So do the links of messages whose words are no address.
    link = page.locator(".automatic a[href^=http]").first
    assert "sandbox.example.org" in link.evaluate(after)
    # What is folded on the screen is printed.
    box = page.get_by_text("Il manque le budget prévisionnel signé").bounding_box()
    assert box
    assert box["height"] > 0


def test_without_motion(page):
    page.emulate_media(reduced_motion="reduce")
    page.goto("/suivi/")
    duration = "each => getComputedStyle(each).transitionDuration"
    assert page.get_by_role("button").evaluate(duration) == "0s"


def test_without_scripts(browser, live_server, sandbox):
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    open_dossier(page, "12345")
    page.locator("summary").click()
    expect(page.get_by_text("Il manque le budget prévisionnel signé")).to_be_visible()
    page.get_by_role("button", name="Actualiser").click()
    expect(page.get_by_text("Vous pourrez actualiser de nouveau")).to_be_visible()
    page.get_by_role("button", name="Quitter").click()
    page.get_by_role("heading", name="Vos dossiers sont refermés").wait_for()
    context.close()


def test_what_the_browser_sends(page):
    """No referrer, and so no origin with forms: what dsintegration/usager/csrf.py is for."""
    sent = []
    page.on("request", lambda request: sent.append(request))
    open_dossier(page, "12345")
    forms = [request.all_headers() for request in sent if request.method == "POST"]
    assert [headers["origin"] for headers in forms] == ["null", "null"]
    assert [headers["sec-fetch-site"] for headers in forms] == ["same-origin"] * 2
    assert [request.url for request in sent if request.all_headers().get("referer")] == []
    token = next(url for url in (request.url for request in sent) if "/lien/" in url).split("/")[-2]
    # The token is in one address only, that of the mail.
    assert [request.method for request in sent if token in request.url] == ["GET"]


def test_closed_doors(browser, live_server, audit):
    """Pages with a status of their own, which the browser complains of by itself."""
    context = browser.new_context(base_url=live_server.url, locale="fr-FR", viewport=PHONE)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    open_dossier(page, "12345")
    used = link_in_the_mail()
    UsagerAccess.objects.update(openings=UsagerAccess.MOST_OPENINGS)
    pages = [(used, 410, "Votre dossier est déjà ouvert")]
    pages += [
        ("/suivi/12346/", 403, "Pour voir ce dossier, demandez un lien"),
        (f"{used[:-9]}/", 404, "Ce lien ne peut pas servir"),
        ("/nowhere/", 404, "Page introuvable"),
    ]
    for address, status, heading in pages:
        response = page.goto(address)
        assert response
        assert response.status == status
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        assert fits(page)
        assert audit(page) == []
    assert all("the server responded with a status of" in complaint for complaint in complaints)
    context.close()
