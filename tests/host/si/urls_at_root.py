from django.urls import include, path

from si.urls import urlpatterns as with_prefixes

urlpatterns = [path("", include("dsintegration.urls")), *with_prefixes]
