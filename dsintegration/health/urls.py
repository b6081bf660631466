from django.urls import path

from dsintegration.health import views

app_name = "dsintegration_health"

urlpatterns = [
    path("live", views.live, name="live"),
    path("ready", views.ready, name="ready"),
]
