"""What README and .env.example promise, against the code."""

import re
from pathlib import Path

import pytest

from dsintegration.exceptions import Reason
from dsintegration.sandbox.scenarios import DOSSIERS, FORBIDDEN, REPLIES

PROJECT = Path(__file__).resolve().parents[2]


def read(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def test_the_readme_lists_each_number_of_the_sandbox():
    listed = [
        int(number) for number in re.findall(r"^\| (\d{5}) \|", read("README.md"), re.MULTILINE)
    ]
    assert sorted(listed) == sorted([*DOSSIERS, *FORBIDDEN, *REPLIES])


def test_each_variable_is_in_the_example_and_in_the_readme():
    pages = read("config/settings.py") + read("config/demo.py")
    read_by_settings = set(re.findall(r'env\.\w+\("([A-Z_]+)"', pages))
    assert read_by_settings > {"SECRET_KEY", "DS_API_TOKEN", "DATABASE_URL"}
    assert set(re.findall(r"^([A-Z_]+)=", read(".env.example"), re.MULTILINE)) == read_by_settings
    assert {name for name in read_by_settings if f"`{name}`" not in read("README.md")} == set()


def test_the_manual_says_what_to_do_about_each_reason():
    rows = [line for line in read("docs/exploitation.md").splitlines() if line.startswith("| ")]
    told = {word for row in rows for word in re.findall(r"`(\w+)`", row)}
    assert {reason.value for reason in Reason} <= told


@pytest.mark.parametrize("page", ["exploitation", "hebergement", "rafraichissement"])
def test_links_of_the_manual_lead_somewhere(page):
    text = read(f"docs/{page}.md")
    for target, place in re.findall(r"\]\((?!https:)([^)#]*)(#[^)]+)?\)", text):
        there = PROJECT / "docs" / target if target else PROJECT / "docs" / f"{page}.md"
        assert there.exists(), target
        if place and there.suffix == ".md":
            titles = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert place[1:] in slugs, place
