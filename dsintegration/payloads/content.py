"""What a démarche keeps of its dossiers beside the mirror's own columns: form, people, history.

All of it is as the API shows it (docs/api.md). A content that cannot be read costs the content, and
nothing of the rest of the dossier.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from django.views.decorators.debug import sensitive_variables
from pydantic import Field, ValidationError

from dsintegration.exceptions import Reason
from dsintegration.payloads.champs import Champ, Entreprise, answered, parse_champ
from dsintegration.payloads.fields import Moment, Payload, Text
from dsintegration.payloads.files import FilePayload
from dsintegration.payloads.selection import Selection, champs_with_files, only

# What the client says in the place of a content that the platform could not give: a Reason.
FAILURE = "contentFailure"

CHAMP, MOTIVATION, ATTESTATION = "champ", "motivation", "attestation"


@dataclass(frozen=True)
class Placed:
    """A file that is not a message's: where it is, and the id of its champ there."""

    place: str
    champ: str
    file: FilePayload


@dataclass(frozen=True)
class Content:
    """None where the selection has nothing of it; `failure`: why there is none at all."""

    selection: Selection
    demandeur: dict[str, Any] | None = None
    instruction: dict[str, Any] | None = None
    champs: list[dict[str, Any]] | None = None
    annotations: list[dict[str, Any]] | None = None
    files: list[Placed] = field(default_factory=list)
    failure: str = ""

    def within(self, selection: Selection) -> "Content":
        """Without what is no longer chosen."""
        if self.selection == selection or self.failure:
            return self
        champs = only(self.champs, selection.champs)
        annotations = only(self.annotations, selection.annotations)
        kept = champs_with_files(champs, annotations)
        return replace(
            self,
            demandeur=self.demandeur if selection.demandeur else None,
            instruction=self.instruction if selection.instruction else None,
            champs=champs,
            annotations=annotations,
            files=[
                given
                for given in self.files
                if (given.champ in kept if given.place == CHAMP else selection.instruction)
            ],
        )


class _Association(Payload):
    titre: Text


class _Demandeur(Payload):
    """Interface `Demandeur`; of kinds that we do not know, the kind alone."""

    typename: Text = Field(alias="__typename")
    civilite: Text | None = None
    nom: Text | None = None
    prenom: Text | None = None
    siret: Text | None = None
    entreprise: Entreprise | None = None
    association: _Association | None = None


class _People(Payload):
    demandeur: _Demandeur
    depose_par_un_tiers: bool | None
    prenom_mandataire: Text | None
    nom_mandataire: Text | None

    def as_json(self) -> dict[str, Any]:
        who = self.demandeur
        name = who.entreprise.raison_sociale if who.entreprise else None
        name = name or (who.association.titre if who.association else None)
        mandataire = {"prenom": self.prenom_mandataire, "nom": self.nom_mandataire}
        return {
            "type": who.typename,
            "civilite": who.civilite,
            "nom": who.nom,
            "prenom": who.prenom,
            "siret": who.siret,
            "raison_sociale": name,
            "mandataire": mandataire if self.depose_par_un_tiers else None,
        }


class _Groupe(Payload):
    number: int
    label: Text


class _Profile(Payload):
    email: Text


class _Label(Payload):
    name: Text
    color: Text


class _Traitement(Payload):
    event: Text
    date_traitement: Moment
    email_agent_traitant: Text | None


class _Instruction(Payload):
    groupe_instructeur: _Groupe
    instructeurs: list[_Profile]
    labels: list[_Label]
    motivation: Text | None
    motivation_attachment: FilePayload | None
    attestation: FilePayload | None
    traitements: list[_Traitement]

    def as_json(self) -> dict[str, Any]:
        return {
            "groupe_instructeur": self.groupe_instructeur.model_dump(),
            "instructeurs": [profile.email for profile in self.instructeurs],
            "labels": [label.model_dump() for label in self.labels],
            "motivation": self.motivation or None,
            "traitements": [
                {
                    "event": past.event,
                    "date": f"{past.date_traitement.isoformat()[:-6]}Z",
                    "agent": past.email_agent_traitant,
                }
                for past in self.traitements
            ],
        }

    @property
    def files(self) -> list[Placed]:
        places = {MOTIVATION: self.motivation_attachment, ATTESTATION: self.attestation}
        return [Placed(place, "", file) for place, file in places.items() if file]


@sensitive_variables()
def parse_content(data: dict[str, Any], selection: Selection) -> Content:
    """Of a dossier that was asked for with this selection; raises nothing: see `failure`."""
    if reason := data.get(FAILURE):
        return Content(selection, failure=str(reason))
    try:
        people = _People.model_validate(data) if selection.demandeur else None
        instruction = _Instruction.model_validate(data) if selection.instruction else None
        champs = _parse_champs(data, "champs", "c", selection.champs, selection.champs_are_whole)
        annotations = _parse_champs(
            data, "annotations", "a", selection.annotations, selection.annotations_are_whole
        )
        files = [
            Placed(CHAMP, champ_id, file)
            for champ in (*champs, *annotations)
            for champ_id, file in champ.files
        ]
        return Content(
            selection,
            demandeur=people.as_json() if people else None,
            instruction=instruction.as_json() if instruction else None,
            champs=[champ.as_json() for champ in champs] if selection.champs else None,
            annotations=(
                [champ.as_json() for champ in annotations] if selection.annotations else None
            ),
            files=[*files, *(instruction.files if instruction else ())],
        )
    except (ValidationError, KeyError, TypeError, RecursionError):
        return Content(selection, failure=Reason.UNEXPECTED)


def _parse_champs(
    data: dict[str, Any], name: str, alias: str, chosen: Iterable[str], is_whole: bool
) -> list[Champ]:
    """Those that are chosen, in the form's order; one that is hidden is not there."""
    chosen = list(chosen)
    nodes = data[name] if is_whole else [n for i in range(len(chosen)) for n in data[f"{alias}{i}"]]
    champs = [parse_champ(node) for node in nodes]
    return [champ for champ in answered(champs) if champ.champ_descriptor_id in set(chosen)]
