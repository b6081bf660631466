from django.urls import path

from dsintegration.health import views

app_name = "dsintegration_metrics"

urlpatterns = [path("metrics", views.metrics, name="metrics")]
