from django.urls import path, re_path

from dsintegration.api import pages, views

app_name = "dsintegration_api"
urlpatterns = [
    path("dossiers/", views.DossierList.as_view(), name="dossiers"),
    path("dossiers/<int:number>/", views.DossierDetail.as_view(), name="dossier"),
    path("dossiers/<int:number>/fetch/", views.DossierFetch.as_view(), name="fetch"),
    path(
        "dossiers/<int:number>/files/<int:file>/", views.DossierFile.as_view(), name="dossier_file"
    ),
    path("purged/", views.PurgedList.as_view(), name="purged"),
    path("schema/", pages.SchemaView.as_view(), name="schema"),
    path("docs/", pages.docs, name="docs"),
    # Below this root nothing answers with a page of HTML, not even what does not exist.
    re_path(r"", pages.unknown_address),
]
