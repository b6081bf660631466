"""The part of our documents that asks for what a démarche keeps of its dossiers, and no more.

A champ is asked for by its id: what was not chosen never leaves the platform. Only a form of which
everything is chosen is asked for in one piece, when it is long (payloads/selection.py).
"""

from typing import Any

from dsintegration.payloads.selection import Selection

_FILE = "filename contentType byteSizeBigInt checksum createdAt virusScanResult"

# Types `Champ` and those that implement it; what each gives, and its traps: payloads/champs.py.
# Aliases, since fields of one name have not the same type everywhere. Never `columns` (identity,
# income, health), never the dossier that a DossierLinkChamp leads to.
_CHAMP = f"""
fragment Champ on Champ {{
  ...Answer
  ... on RepetitionChamp {{ rows {{ champs {{ ...Answer }} }} }}
}}
fragment Answer on Champ {{
  __typename
  id
  champDescriptorId
  label
  stringValue
  ... on CheckboxChamp {{ checked: value }}
  ... on YesNoChamp {{ answer: value }}
  ... on DateChamp {{ date }}
  ... on DatetimeChamp {{ datetime }}
  ... on IntegerNumberChamp {{ integer: value }}
  ... on DecimalNumberChamp {{ decimal: value }}
  ... on CiviliteChamp {{ civilite: value }}
  ... on MultipleDropDownListChamp {{ values }}
  ... on LinkedDropDownListChamp {{ primaryValue secondaryValue }}
  ... on AddressChamp {{
    address {{
      label type streetAddress streetNumber streetName postalCode cityCode cityName
      departmentCode departmentName regionCode regionName
    }}
  }}
  ... on CommuneChamp {{ commune {{ code name postalCode }} departement {{ code name }} }}
  ... on DepartementChamp {{ departement {{ code name }} }}
  ... on RegionChamp {{ region {{ code name }} }}
  ... on PaysChamp {{ pays {{ code name }} }}
  ... on EpciChamp {{ epci {{ code name }} }}
  ... on SiretChamp {{ etablissement {{ siret entreprise {{ raisonSociale }} }} }}
  ... on RNAChamp {{ rna {{ id title }} }}
  ... on RNFChamp {{ rnf {{ id title }} }}
  ... on CarteChamp {{
    geoAreas {{
      source description geometry {{ type coordinates }}
      ... on ParcelleCadastrale {{ commune prefixe section numero surface }}
    }}
  }}
  ... on PieceJustificativeChamp {{ given: files {{ {_FILE} }} }}
  ... on TitreIdentiteChamp {{ filled }}
}}
"""

_DEMANDEUR = """
    demandeur {
      __typename
      ... on PersonnePhysique { civilite nom prenom }
      ... on PersonneMorale { siret entreprise { raisonSociale } association { titre } }
      ... on PersonneMoraleIncomplete { siret }
    }
    deposeParUnTiers prenomMandataire nomMandataire
"""
_INSTRUCTION = f"""
    groupeInstructeur {{ number label }}
    instructeurs {{ email }}
    labels {{ name color }}
    motivation
    motivationAttachment {{ {_FILE} }}
    attestation {{ {_FILE} }}
    traitements {{ event dateTraitement emailAgentTraitant }}
"""


def content(selection: Selection) -> str:
    """The fragment `Content`, with those that it needs; "" for nothing."""
    if not selection:
        return ""
    parts = []
    if selection.demandeur:
        parts.append(_DEMANDEUR)
    if selection.instruction:
        parts.append(_INSTRUCTION)
    for name, alias, ids, is_whole in _lists(selection):
        if is_whole:
            parts.append(f"{name} {{ ...Champ }}")
        else:
            parts += [
                f"{alias}{rank}: {name}(id: ${alias}{rank}) {{ ...Champ }}"
                for rank in range(len(ids))
            ]
    champs = _CHAMP if selection.champs or selection.annotations else ""
    return f"fragment Content on Dossier {{ {' '.join(parts)} }}{champs}"


def declared(selection: Selection) -> str:
    """Its variables, behind others."""
    return "".join(f", ${name}: ID!" for name in variables(selection))


def variables(selection: Selection) -> dict[str, Any]:
    return {
        f"{alias}{rank}": champ
        for _, alias, ids, is_whole in _lists(selection)
        if not is_whole
        for rank, champ in enumerate(ids)
    }


def _lists(selection: Selection) -> list[tuple[str, str, tuple[str, ...], bool]]:
    return [
        ("champs", "c", selection.champs, selection.champs_are_whole),
        ("annotations", "a", selection.annotations, selection.annotations_are_whole),
    ]
