"""The frame of pages: one file that loads nothing, runs nothing but its own, and is legible everywhere."""

import re

import pytest
from markupsafe import Markup

from pondera._report.page import Part, page
from pondera._report.render import picture, render
from pondera._text import shortened

EVIL = "<script>document.title='run'</script><img src=http://example.com/x onerror=\"document.title='run'\">\u202egpj"


@pytest.fixture
def saved(tmp_path):
    """Saves a page and gives its address."""

    def save(*arguments, **options):
        path = tmp_path / "page.html"
        path.write_text(page(*arguments, **options), encoding="utf-8")
        return path.as_uri()

    return save


def test_texts_are_escaped_and_what_steers_is_written_out():
    html = page(EVIL, EVIL, kicker=EVIL, description=EVIL, contents=[Part("one", EVIL)])
    assert "<script>document" not in html
    assert "<img" not in html
    assert "\u202e" not in html
    assert "\\u202egpj" in html


def test_a_long_text_is_cut_to_its_length():
    assert shortened("a" * 2000, 2000) == "a" * 2000
    assert shortened("a" * 2001, 2000) == "a" * 1999 + "…"
    # One mark is written with six letters.
    assert len(shortened("\u202e" * 10_000, 50)) == 50


def test_what_is_missing_in_a_template_is_an_error():
    with pytest.raises(Exception, match="is undefined"):
        render("page.html", title="x")


def test_no_script_runs_but_the_own_one(open_page, saved):
    body = Markup('<section id="one"><h2>One</h2>{}</section>').format(picture(EVIL))
    opened = open_page(saved("Evil", body, contents=[Part("one", "One")]))
    assert opened.page.title() == "Evil"
    # The policy refuses the picture from the network and both scripts, and the browser says so.
    assert len(opened.errors) >= 2
    assert all("Content Security Policy" in one for one in opened.errors if "example.com" not in one)


def test_a_page_asks_for_nothing(open_page, saved):
    address = saved(
        "Quiet", Markup('<section id="one"><h2>One</h2></section>'), contents=[Part("one", "One")]
    )
    opened = open_page(address)
    assert opened.requests == [address]
    assert opened.errors == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_long_words_do_not_widen_it(open_page, saved, width, dark):
    word = "x" * 10_000
    body = Markup("<section id='one'><h2>{0}</h2><p>{0}</p></section>").format(shortened(word, 300))
    opened = open_page(
        saved(word, body, description=word, contents=[Part("one", word)]), width=width, dark=dark
    )
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_details_open_together(open_page, saved):
    body = Markup(
        "<section><h2>x</h2>" + "<details><summary>a</summary><p>b</p></details>" * 3 + "</section>"
    )
    opened = open_page(saved("Details", body, contents=[Part("main", "x")]))
    button = opened.page.get_by_role("button", name="Open all details")
    button.press("Enter")
    assert opened.page.locator("details[open]").count() == 3
    opened.page.get_by_role("button", name="Close all details").press("Enter")
    assert opened.page.locator("details[open]").count() == 0


def test_the_skip_link_leads_to_the_content(open_page, saved):
    opened = open_page(saved("Skip", Markup("<p>x</p>")))
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.className") == "skip"
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate("document.activeElement.id") == "main"


def test_a_page_has_a_policy_that_forbids_the_network():
    html = page("x", Markup(""))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert policy.startswith("default-src 'none';")
    assert "unsafe-inline" not in policy.partition("script-src")[2]
    assert "http" not in policy
