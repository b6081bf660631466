"""What a démarche keeps of its dossiers beside the mirror's own columns: the choice, and an index.

The form is read by mirror/forms.py, which writes the choice; what was chosen of a dossier stands in
its own row (models/mirror.py), as the API shows it.
"""

from django.db import models

from dsintegration.harmless import on_a_page
from dsintegration.models.mirror import Demarche, Dossier


class ChampDescriptorQuerySet(models.QuerySet["ChampDescriptor"]):
    def kept(self) -> "ChampDescriptorQuerySet":
        return self.filter(is_kept=True)

    def hidden_from_api(self) -> "ChampDescriptorQuerySet":
        """With what stands in a hidden repetition."""
        same = {"demarche": models.OuterRef("demarche"), "ds_id": models.OuterRef("repetition")}
        around = ChampDescriptor.objects.filter(**same, hidden_from_api=True)
        return self.filter(models.Q(hidden_from_api=True) | models.Exists(around))


class ChampDescriptor(models.Model):
    """A line of the form (interface `ChampDescriptor`), with what was chosen of it."""

    demarche = models.ForeignKey(
        Demarche, models.CASCADE, related_name="champs", verbose_name="démarche", db_index=False
    )
    ds_id = models.CharField("identifiant sur la plateforme", max_length=255)
    label = models.TextField("libellé")
    type = models.CharField("type", max_length=255, help_text="Le nom que la plateforme lui donne.")
    is_annotation = models.BooleanField("annotation privée", default=False)
    repetition = models.CharField(
        "bloc répétable", max_length=255, blank=True, help_text="L'identifiant du bloc qui l'a."
    )
    level = models.PositiveSmallIntegerField("niveau du titre", null=True, blank=True)
    required = models.BooleanField("obligatoire", default=False)
    rank = models.PositiveIntegerField("rang dans le formulaire")
    first_read_at = models.DateTimeField("vu pour la première fois le")
    gone_since = models.DateTimeField("absent du formulaire depuis", null=True, blank=True)

    is_kept = models.BooleanField("conservé", default=False)
    in_list = models.BooleanField("colonne de la liste", default=False)
    is_searchable = models.BooleanField("sert à chercher", default=False)
    hidden_from_api = models.BooleanField("caché à l'API", default=False)

    objects = ChampDescriptorQuerySet.as_manager()

    class Meta:
        verbose_name = "champ du formulaire"
        verbose_name_plural = "champs du formulaire"
        default_permissions = ()
        ordering = ("demarche", "is_annotation", "rank")
        constraints = (
            models.UniqueConstraint(
                fields=["demarche", "ds_id"], name="champ_descriptor_is_unique"
            ),
        )

    def __str__(self) -> str:
        return on_a_page(self.label)

    # What has no answer of its own.
    TITLES = ("HeaderSection", "Explication")
    # What no line of text says.
    WITHOUT_LINE = ("Repetition", "Carte", "PieceJustificative")

    @property
    def can_be_kept(self) -> bool:
        """A repetition is kept whole: the platform does not give a part of its rows."""
        return self.type not in self.TITLES and not self.repetition

    @property
    def can_be_a_column(self) -> bool:
        return self.can_be_kept and self.type not in self.WITHOUT_LINE

    @property
    def can_be_searched(self) -> bool:
        """In the rows of a repetition, too."""
        return self.type not in (*self.TITLES, *self.WITHOUT_LINE)

    @property
    def is_new(self) -> bool:
        """Whether the last reading of the form brought it."""
        return self.first_read_at == self.demarche.form_read_at


class ChampValue(models.Model):
    """A searchable answer, folded (mirror/values.py); several rows where it has several words.

    Derived from `Dossier.champs` and `Dossier.annotations`, and written with them.
    """

    dossier = models.ForeignKey(
        Dossier, models.CASCADE, related_name="values", verbose_name="dossier"
    )
    champ = models.CharField("identifiant du champ", max_length=255)
    text = models.CharField("texte", max_length=255)
    number = models.DecimalField("nombre", max_digits=38, decimal_places=10, null=True)
    date = models.DateField("date", null=True)
    is_whole = models.BooleanField("réponse entière", default=True)

    class Meta:
        verbose_name = "réponse cherchée"
        verbose_name_plural = "réponses cherchées"
        default_permissions = ()
        indexes = (
            models.Index(fields=["champ", "text", "dossier"], name="champ_value_text"),
            models.Index(
                fields=["champ", "number", "dossier"],
                name="champ_value_number",
                condition=models.Q(number__isnull=False),
            ),
            models.Index(
                fields=["champ", "date", "dossier"],
                name="champ_value_date",
                condition=models.Q(date__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"Réponse du dossier n° {self.dossier.number}"
