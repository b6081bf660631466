"""What can go wrong between us and the platform, as a closed tree.

A class says what kind of trouble it is (exit status, REST answer), `reason` which one of that kind
(the sentence for people, what is worth another try, whether it concerns this dossier alone).
`str()` of an exception is English, for logs: number, reason, HTTP status; never a token, an
address or anything else of an answer. Wrong settings are `ImproperlyConfigured`, outside the tree:
the platform has no part in them.
"""

from copy import copy
from enum import StrEnum
from typing import ClassVar, Self


class Reason(StrEnum):
    # DossierNotFound
    UNKNOWN = "unknown"
    # DemarcheNotFound
    UNKNOWN_DEMARCHE = "unknown_demarche"
    # FileGone
    FILE_GONE = "file_gone"
    # DSAccessDenied
    TOKEN_REFUSED = "token_refused"  # noqa: S105  # unknown, revoked or from the wrong network
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    NO_RIGHT = "no_right"
    # DSUnavailable
    NETWORK = "network"
    TIMEOUT = "timeout"
    THROTTLED = "throttled"
    MAINTENANCE = "maintenance"
    GATEWAY = "gateway"
    SERVER_ERROR = "server_error"
    QUERY_TIMEOUT = "query_timeout"
    BUSY = "busy"  # not the platform: our own database, which others are writing
    STORAGE = "storage"  # where the platform keeps the bytes of files
    FILE_PENDING = "file_pending"
    FILES_BUSY = "files_busy"  # not the platform: as many files as we give at once
    # DSInvalidResponse
    CERTIFICATE = "certificate"
    REDIRECT = "redirect"
    NOT_THE_API = "not_the_api"
    BLOCKED = "blocked"
    QUERY_REFUSED = "query_refused"
    TOO_LARGE = "too_large"
    UNEXPECTED = "unexpected"
    FILE_INFECTED = "file_infected"
    FILE_TOO_LARGE = "file_too_large"
    FILE_DIFFERS = "file_differs"
    FILE_ELSEWHERE = "file_elsewhere"


class DSError(Exception):
    """What the platform or the network did; `dossier_number` is the dossier that was asked for.

    `code` names the failure in REST answers and in `Dossier.last_error_code`.
    """

    code: ClassVar[str]
    sentences: ClassVar[dict[Reason, str]]

    def __init__(
        self,
        reason: Reason,
        *,
        dossier_number: int | None = None,
        http_status: int | None = None,
        detail: str = "",
    ) -> None:
        self.reason = reason
        self.dossier_number = dossier_number
        self.http_status = http_status
        self.detail = detail
        self.demarche_number: int | None = None  # of a list
        self.is_of_one_dossier = False  # known only from what others met (platform/batches.py)
        super().__init__(reason)

    def __str__(self) -> str:
        parts = [
            self.code,
            f"({self.reason})",
            self.http_status and f"HTTP {self.http_status}",
            self.dossier_number and f"dossier {self.dossier_number}",
            self.detail,
        ]
        return " ".join(str(part) for part in parts if part)

    def about(self, number: int) -> Self:
        """The same failure, of one of the dossiers that were asked together."""
        failure = copy(self)
        failure.dossier_number = number
        return failure

    def about_demarche(self, number: int) -> Self:
        """The same failure, of a list of one démarche."""
        failure = copy(self)
        failure.demarche_number = number
        return failure

    @property
    def sentence(self) -> str:
        """What happened and what to do about it, in French, for people."""
        return self.sentences[self.reason]

    @property
    def concerns_dossier(self) -> bool:
        """Whether this is about that dossier, or démarche, alone; otherwise any other would have
        failed too.
        """
        return self.is_of_one_dossier or self.reason in {
            Reason.UNKNOWN,
            Reason.UNKNOWN_DEMARCHE,
            Reason.NO_RIGHT,
            Reason.SERVER_ERROR,
            Reason.QUERY_TIMEOUT,
            Reason.UNEXPECTED,
        }


class DossierNotFound(DSError):
    """It answered: no such dossier (a draft, deleted, or a wrong number). Often temporary."""

    code = "dossier_not_found"
    sentences: ClassVar = {
        Reason.UNKNOWN: (
            "la plateforme ne connaît pas ce dossier : numéro erroné, brouillon pas encore "
            "déposé, ou dossier supprimé ; vérifiez le numéro."
        )
    }

    def __init__(self, reason: Reason = Reason.UNKNOWN, **context: object) -> None:
        super().__init__(reason, **context)  # type: ignore[arg-type]


class DemarcheNotFound(DSError):
    """It answered: no such démarche (a wrong number, or one that was deleted)."""

    code = "demarche_not_found"
    sentences: ClassVar = {
        Reason.UNKNOWN_DEMARCHE: (
            "la plateforme ne connaît pas cette démarche : numéro erroné, ou démarche supprimée ; "
            "vérifiez le numéro, ou ne la suivez plus."
        )
    }

    def __init__(self, reason: Reason = Reason.UNKNOWN_DEMARCHE, **context: object) -> None:
        super().__init__(reason, **context)  # type: ignore[arg-type]


class FileGone(DSError):
    """The dossier is there, and has this file no longer."""

    code = "file_not_found"
    sentences: ClassVar = {
        Reason.FILE_GONE: (
            "ce fichier n'est plus sur la plateforme : il a été remplacé, retiré, ou écarté par "
            "l'antivirus."
        )
    }

    def __init__(self, reason: Reason = Reason.FILE_GONE, **context: object) -> None:
        super().__init__(reason, **context)  # type: ignore[arg-type]


class DSAccessDenied(DSError):
    """The token is refused (a batch stops), or it has no right on this one démarche."""

    code = "upstream_access_denied"
    sentences: ClassVar = {
        Reason.TOKEN_REFUSED: (
            "la plateforme refuse le jeton : inconnu, révoqué, ou utilisé depuis un réseau non "
            "autorisé ; vérifiez DS_API_TOKEN et les réseaux du jeton dans le profil de "
            "l'administrateur."
        ),
        Reason.TOKEN_EXPIRED: (
            "le jeton a expiré ; créez-en un autre dans le profil de l'administrateur et "
            "mettez-le dans DS_API_TOKEN."
        ),
        Reason.NO_RIGHT: (
            "le jeton n'a pas accès à la démarche de ce dossier ; ajoutez la démarche au jeton "
            "dans le profil de l'administrateur."
        ),
    }

    @property
    def stops_batch(self) -> bool:
        return self.reason is not Reason.NO_RIGHT


class DSUnavailable(DSError):
    """Temporary. `retry_after`: the seconds that the platform asks to wait, or None."""

    code = "upstream_unavailable"
    sentences: ClassVar = {
        Reason.NETWORK: (
            "la plateforme est injoignable ; vérifiez le réseau et DS_API_URL, puis réessayez."
        ),
        Reason.TIMEOUT: "la plateforme n'a pas répondu à temps ; réessayez plus tard.",
        Reason.THROTTLED: (
            "la plateforme reçoit trop de demandes avec ce jeton ; réessayez dans une minute."
        ),
        Reason.MAINTENANCE: "la plateforme est en maintenance ; réessayez plus tard.",
        Reason.GATEWAY: "la plateforme est momentanément en panne ; réessayez plus tard.",
        Reason.SERVER_ERROR: (
            "la plateforme a rencontré une erreur interne sur ce dossier ; réessayez plus tard."
        ),
        Reason.QUERY_TIMEOUT: (
            "la plateforme a mis trop de temps à rassembler ce dossier ; réessayez plus tard."
        ),
        Reason.BUSY: (
            "d'autres enregistrements sont en cours, et celui-ci n'a pas eu son tour ; réessayez "
            "dans un instant."
        ),
        Reason.STORAGE: (
            "l'espace de fichiers de la plateforme ne donne pas ce fichier, ou pas à temps ; "
            "réessayez plus tard."
        ),
        Reason.FILE_PENDING: (
            "l'analyse antivirus de ce fichier n'est pas finie ; réessayez dans quelques minutes."
        ),
        Reason.FILES_BUSY: (
            "plusieurs fichiers sont déjà en cours d'envoi ; réessayez dans quelques secondes."
        ),
    }

    def __init__(
        self, reason: Reason, *, retry_after: float | None = None, **context: object
    ) -> None:
        super().__init__(reason, **context)  # type: ignore[arg-type]
        self.retry_after = retry_after


class DSInvalidResponse(DSError):
    """It answered something that we do not understand, or is not the platform. Never retried."""

    code = "upstream_invalid_response"
    sentences: ClassVar = {
        Reason.CERTIFICATE: (
            "le certificat du serveur n'est pas valable, rien ne lui a été confié ; vérifiez "
            "DS_API_URL et les autorités de certification de cette machine."
        ),
        Reason.REDIRECT: (
            "l'adresse renvoie ailleurs, et le jeton n'y a pas été envoyé ; corrigez DS_API_URL."
        ),
        Reason.NOT_THE_API: (
            "l'adresse n'est pas celle de l'API GraphQL de la plateforme ; vérifiez DS_API_URL."
        ),
        Reason.BLOCKED: (
            "un intermédiaire (proxy ou pare-feu) refuse la demande avant la plateforme ; voyez "
            "avec votre réseau, et vérifiez DS_API_URL."
        ),
        Reason.QUERY_REFUSED: (
            "la plateforme n'accepte pas notre requête : son API a sans doute changé ; mettez "
            "dsintegration à jour."
        ),
        Reason.TOO_LARGE: "la réponse de la plateforme est démesurée ; elle a été refusée.",
        Reason.UNEXPECTED: (
            "la réponse de la plateforme est incompréhensible, rien n'a été enregistré ; si cela "
            "dure, signalez-le à la plateforme."
        ),
        Reason.FILE_INFECTED: (
            "l'antivirus de la plateforme a écarté ce fichier : il n'est pas donné."
        ),
        Reason.FILE_TOO_LARGE: (
            "ce fichier dépasse 200 Mo : il s'ouvre sur la plateforme seulement."
        ),
        Reason.FILE_DIFFERS: (
            "ce qui est arrivé n'est pas le fichier que la plateforme annonce, et n'est pas donné "
            "; réessayez, puis ouvrez-le sur la plateforme."
        ),
        Reason.FILE_ELSEWHERE: (
            "l'adresse de ce fichier n'est pas sûre (redirection, réseau privé, certificat), rien "
            "n'en a été pris ; si l'espace de fichiers est sur votre réseau, voyez "
            "DS_FILES_PRIVATE_HOSTS."
        ),
    }


def stored_error(code: str, reason: str) -> DSError:
    """The error that a row remembers by its `code` and `reason`."""
    kinds: list[type[DSError]] = [
        DossierNotFound,
        DemarcheNotFound,
        FileGone,
        DSAccessDenied,
        DSUnavailable,
        DSInvalidResponse,
    ]
    return next(kind for kind in kinds if kind.code == code)(Reason(reason))
