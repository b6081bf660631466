"""The sample alert rules and the Grafana panel: valid, and of metrics that exist."""

import json
import re
from pathlib import Path

import promql_parser
import pytest
import yaml
from django.utils import timezone
from prometheus_client import CollectorRegistry

from dsintegration.health.metrics import Figures
from dsintegration.models import Platform

DOCS = Path(__file__).resolve().parents[2] / "docs"
RULES = yaml.safe_load((DOCS / "exploitation" / "alertes.yml").read_text(encoding="utf-8"))
PANEL = json.loads((DOCS / "exploitation" / "grafana.json").read_text(encoding="utf-8"))
EXPRESSIONS = [rule["expr"] for group in RULES["groups"] for rule in group["rules"]] + [
    target["expr"] for panel in PANEL["panels"] for target in panel["targets"]
]
NAME = r"\bdsintegration_\w+"


@pytest.fixture
def exposed(db, settings, monkeypatch) -> set[str]:
    """All that can be told, samples by their names."""
    settings.DS_API_TOKEN_EXPIRES = timezone.localdate()
    now = timezone.now()
    Platform.objects.update(refreshed_at=now, fully_refreshed_at=now)
    monkeypatch.setattr("dsintegration.background.broker.celery_app", object)
    monkeypatch.setattr("dsintegration.background.broker.length", lambda app: 0)
    registry = CollectorRegistry()
    registry.register(Figures())
    told = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in registry.collect()
    }
    return told | {"dsintegration_fetch_seconds_bucket"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression(expression, exposed):
    promql_parser.parse(expression)
    named = set(re.findall(NAME, expression))
    assert named <= exposed
    assert named or expression.startswith("up{")


def test_each_metric_is_on_the_panel_or_in_an_alert(exposed):
    named = set(re.findall(NAME, " ".join(EXPRESSIONS)))
    assert exposed - {"dsintegration_fetch_seconds"} == named


def test_the_manual_names_each_of_them(exposed):
    manual = (DOCS / "exploitation.md").read_text(encoding="utf-8")
    named = {f"dsintegration_{name}" for name in re.findall(r"`_(\w+?)(?:\{\w+\})?`", manual)}
    assert {name for name in exposed if not name.endswith("_bucket")} <= named | set(
        re.findall(NAME, manual)
    )


def test_rules_have_what_prometheus_wants():
    for group in RULES["groups"]:
        assert group.keys() == {"name", "rules"}
        for rule in group["rules"]:
            assert rule.keys() - {"for"} == {"alert", "expr", "annotations"}
            assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
            assert rule["annotations"]["summary"]


def test_the_panel_has_what_grafana_wants():
    assert PANEL["title"]
    ids = [panel["id"] for panel in PANEL["panels"]]
    assert len(ids) == len(set(ids))
    for panel in PANEL["panels"]:
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["gridPos"].keys() == {"h", "w", "x", "y"}
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
