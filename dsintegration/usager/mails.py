"""The mail with the link: what it says, and whether it left."""

import logging
from smtplib import SMTPException

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from dsintegration import conf
from dsintegration.models import Dossier, UsagerAccess
from dsintegration.usager.links import make_link

logger = logging.getLogger(__name__)


def send_link(dossier: Dossier, origin: str) -> bool:
    """Make a link and send it to the dossier's usager; whether the mail server took it."""
    access, token = make_link(dossier)
    context = {
        "number": dossier.number,
        "link": f"{origin}{reverse('usager:link', args=[token])}",
        "minutes": int(UsagerAccess.LIFE.total_seconds() // 60),
        "ends_at": access.sent_at + UsagerAccess.LIFE,
        "organisation": conf.organisation(),
        "platform": conf.platform_name(),
    }
    mail = EmailMultiAlternatives(
        subject=f"Suivre votre dossier n° {dossier.number}",
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
        # Their texts repeat addresses.
        logger.error(  # noqa: TRY400
            "usager: no mail for dossier %d: %s", dossier.number, type(err).__name__
        )
        access.delete()
        return False
    return True
