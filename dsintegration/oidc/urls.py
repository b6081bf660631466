"""The addresses that the provider is told of: the way back, and where it sends who has left."""

from django.urls import path

from dsintegration.oidc import views

app_name = "dsintegration_oidc"
urlpatterns = [
    path("connexion/", views.LoginView.as_view(), name="login"),
    path("retour/", views.callback, name="callback"),
    path("fin/", views.ended, name="ended"),
]
