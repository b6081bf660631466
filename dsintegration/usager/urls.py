from django.urls import path

from dsintegration.usager import opened, views

app_name = "dsintegration_usager"

urlpatterns = [
    path("", views.LinkRequestView.as_view(), name="request"),
    path("envoye/", views.SentView.as_view(), name="sent"),
    path("couleurs.css", views.ColorsView.as_view(), name="colors"),
    path("accessibilite/", views.AccessibilityView.as_view(), name="accessibility"),
    path("lien/", views.OpenView.as_view(), name="open"),
    path("lien/renouveler/", views.RenewView.as_view(), name="renew"),
    path("lien/<str:token>/", views.LinkView.as_view(), name="link"),
    # As mail programs leave it: a `>` at its end, a blank, no slash.
    path("lien/<path:token>", views.LinkView.as_view()),
    path("termine/", views.LeftView.as_view(), name="left"),
    path("quitter/", opened.LeaveView.as_view(), name="leave_all"),
    path("dossiers/", opened.DossiersView.as_view(), name="dossiers"),
    path("<int:number>/", opened.DossierView.as_view(), name="dossier"),
    path("<int:number>/actualiser/", opened.RefreshView.as_view(), name="refresh"),
    path("<int:number>/quitter/", opened.LeaveView.as_view(), name="leave"),
]
