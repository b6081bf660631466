"""Writes the schema of the REST API into a file, as YAML: `make schema`."""

import os
import sys
from pathlib import Path

import django

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()

    from drf_spectacular.renderers import OpenApiYamlRenderer

    from dsintegration.api.openapi import document

    Path(sys.argv[1]).write_bytes(OpenApiYamlRenderer().render(document()))
