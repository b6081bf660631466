"""The mail with the link: what it says, and whether it left."""

import logging
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from dsintegration import conf, counters
from dsintegration.harmless import on_a_page
from dsintegration.models import Dossier, UsagerAccess
from dsintegration.usager.links import make_link

logger = logging.getLogger(__name__)

FOREIGN = ("title", "service_nom", "service_organisme")


class MailNotSent(Exception):
    """`is_temporary`: the mail server may take it later; otherwise it never will."""

    def __init__(self, err: SMTPException | OSError | ValueError) -> None:
        codes = [err.smtp_code] if isinstance(err, SMTPResponseException) else []
        if isinstance(err, SMTPRecipientsRefused):
            codes = [code for code, _ in err.recipients.values()]
        # 5yz is for good (RFC 5321, 4.2.1). A name that cannot be written as an address is, too.
        self.is_temporary = all(code < 500 for code in codes) and not isinstance(err, ValueError)
        # The texts of those repeat addresses.
        super().__init__(type(err).__name__)


def _line(text: str) -> str:
    """What others wrote, on one line of ours."""
    return " ".join(on_a_page(text).split())


def send_link(dossier: Dossier, links_at: str) -> None:
    """Make a link that begins with `links_at`, and send it to the usager.

    Raises MailNotSent, or DossierIsGone.
    """
    access, token = make_link(dossier)
    context = {
        "number": dossier.number,
        "demarche": {name: _line(getattr(dossier.demarche, name)) for name in FOREIGN},
        "link": f"{links_at}{token}/",
        "minutes": int(UsagerAccess.LIFE.total_seconds() // 60),
        "openings": UsagerAccess.MOST_OPENINGS,
        "ends_at": access.sent_at + UsagerAccess.LIFE,
        "organisation": conf.organisation(),
        "platform": conf.platform_name(),
        "messagerie": f"{dossier.url}/messagerie",
    }
    mail = EmailMultiAlternatives(
        subject=f"Suivre votre dossier n°\N{NO-BREAK SPACE}{dossier.number}",
        body=render_to_string("dsintegration/usager/mail.txt", context),
        to=[dossier.usager_email.strip()],
        # No answering machine is to answer.
        headers={"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"},
    )
    mail.attach_alternative(
        render_to_string("dsintegration/usager/mail.html", context), "text/html"
    )
    try:
        mail.send()
    except (SMTPException, OSError, ValueError) as err:
        access.delete()
        failure = MailNotSent(err)
        counters.count_mail("delayed" if failure.is_temporary else "refused")
        logger.error("usager: no mail for dossier %d: %s", dossier.number, failure)  # noqa: TRY400
        raise failure from None
    counters.count_mail("sent")
