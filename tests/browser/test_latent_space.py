"""The latent space in a browser: it draws what Jittor draws, fast enough, and every handle of it moves the picture."""

import contextlib
import functools
import json
import pathlib

import numpy as np
import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

import eight_bit
from jgen.runs import finished
from reproduction.reporting import decoders, latent_space
from reproduction.reporting.results import Results

pytestmark = pytest.mark.slow
ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ("vae", "beta-vae", "cvae-mlp-beta-4", "wgan-gp")
EVERY = pytest.mark.parametrize("name", MODELS)
PIXELS = """const c = document.getElementById("latent-canvas");
return Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.filter((_, i) => i % 4 === 0));"""


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """A page with this section and nothing else."""
    part = latent_space.fragment(Results(ROOT))
    path = tmp_path_factory.mktemp("alone") / "index.html"
    path.write_text(
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
        f"<title>alone</title><style>{part.css}</style><h2>{part.title}</h2>{part.html}"
        f"<script>(() => {{ {part.js} }})();</script></html>",
        encoding="utf-8",
    )
    return path


def picture(browser):
    """What the canvas shows, [H W] in 0 … 255."""
    return np.array(browser.execute_script(PIXELS))


def at(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def click(browser, element):
    """A real click, on an element that the page's bar does not cover."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    element.click()


def choose(browser, name):
    """The tab of a model, by its run's name."""
    position = browser.execute_script("return latentSpace.names.indexOf(arguments[0])", name)
    button = browser.find_elements(By.CSS_SELECTOR, ".ls-models button")[position]
    click(browser, button)
    assert button.get_attribute("aria-checked") == "true"


def changes(browser, act, patience=3):
    """Whether the picture differs within `patience` seconds of `act`: a browser hands on moves once a frame."""
    before = picture(browser)
    act()
    with contextlib.suppress(TimeoutException):
        return WebDriverWait(browser, patience, 0.05).until(lambda _: bool((picture(browser) != before).any()))
    return False


@functools.cache
def packed(page):
    text = page.read_text(encoding="utf-8").split('id="latent-data">', 1)[1].split("</script>", 1)[0]
    return {model["name"]: model for model in json.loads(text)}


@EVERY
def test_the_page_draws_what_jittor_draws(opened, report, name):
    run, model = finished.load(ROOT, name, "cpu"), packed(report)[name]
    generator = np.random.default_rng(11)
    z = generator.standard_normal((12, model["latents"]), np.float32)
    y = generator.integers(0, max(1, len(model["classes"])), len(z))
    chain = decoders.unpacked(model, len(model["classes"]))
    expected = eight_bit.drawn_by_jittor(run.algorithm, chain, z, y).reshape(len(z), -1)
    assert np.ptp(expected) > 0.9
    for latents, label, wanted in zip(z, y, expected):
        opened.execute_script("latentSpace.show(...arguments)", name, latents.tolist(), int(label))
        assert np.abs(picture(opened) / 255 - wanted).max() < 2 / 255


@EVERY
def test_thirty_pictures_a_second(opened, name):
    opened.execute_script("latentSpace.show(arguments[0], latentSpace.latents(arguments[0]))", name)
    batches = [opened.execute_script("return latentSpace.millisecondsPerPicture(50)") for _ in range(3)]
    assert min(batches) < 1000 / 30


@EVERY
def test_every_latent_has_a_slider_that_moves_the_picture(opened, report, name):
    choose(opened, name)
    model = packed(report)[name]
    sliders = opened.find_elements(By.CSS_SELECTOR, "#latent-space [data-latent]")
    assert [int(each.get_attribute("data-latent")) for each in sliders] == model["order"]
    assert sum(each.is_displayed() for each in sliders) == model["shown"], "the rest is one click away"
    assert changes(opened, lambda: sliders[0].send_keys(Keys.PAGE_UP * 3))
    if model["shown"] < model["latents"]:
        click(opened, at(opened, ".ls-more summary"))
        assert all(each.is_displayed() for each in sliders)
        assert changes(opened, lambda: sliders[model["shown"]].send_keys(Keys.END)) or model["unit"] == "nats"


def test_the_map_follows_pointer_finger_and_keys(opened):
    pad = at(opened, "#latent-pad")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", pad)
    assert pad.size["width"] == pytest.approx(pad.size["height"], abs=1), "there is room for the map before it is drawn"
    pressed = ActionChains(opened).move_to_element_with_offset(pad, -60, -60).click_and_hold()
    assert changes(opened, pressed.move_by_offset(120, 90).release().perform)
    across, up = at(opened, "#latent-across"), at(opened, "#latent-up")
    value = {
        axis: float(at(opened, f"[data-latent='{select.get_attribute('value')}']").get_attribute("value"))
        for axis, select in (("across", across), ("up", up))
    }
    assert value["across"] > 0.3, "right of the middle"
    assert value["up"] < -0.1, "below the middle"
    opened.execute_script("arguments[0].focus()", pad)
    assert changes(opened, ActionChains(opened).send_keys(Keys.ARROW_LEFT * 6).perform)
    left, top = opened.execute_script("const b = arguments[0].getBoundingClientRect(); return [b.left, b.top]", pad)

    def finger(kind, *points):
        touches = [{"x": left + x, "y": top + y} for x, y in points]
        opened.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    assert changes(opened, lambda: finger("touchStart", (20, 20)))
    scrolled = opened.execute_script("return scrollY")
    assert changes(opened, lambda: finger("touchMove", (200, 150)))
    finger("touchEnd")
    assert opened.execute_script("return scrollY") == scrolled, "a finger on the map moves the map alone"


def test_a_class_button_changes_the_digit(opened):
    choose(opened, "cvae-mlp-beta-4")
    buttons = opened.find_elements(By.CSS_SELECTOR, ".ls-classes button")
    assert [button.text for button in buttons] == list("0123456789")
    assert changes(opened, lambda: click(opened, buttons[0]))
    assert [button.get_attribute("aria-pressed") for button in buttons] == ["true"] + ["false"] * 9


def test_draws_and_their_morph(opened):
    assert changes(opened, lambda: click(opened, at(opened, "#latent-draw")))
    assert changes(opened, lambda: click(opened, at(opened, "#latent-centre")))
    play, along = at(opened, "#latent-play"), at(opened, "#latent-morph")
    assert changes(opened, lambda: click(opened, at(opened, "#latent-pair"))), "two new draws begin to morph"
    WebDriverWait(opened, 20).until(lambda _: float(along.get_attribute("value")) > 0.9)
    click(opened, play)
    assert play.get_attribute("aria-pressed") == "false"
    assert not changes(opened, lambda: None, patience=0.3)
    assert changes(opened, lambda: along.send_keys(Keys.HOME))
    assert changes(opened, lambda: along.send_keys(Keys.END))


def test_the_section_stands_alone(browser, alone, errors):
    browser.get(alone.as_uri())
    WebDriverWait(browser, 20).until(lambda _: browser.execute_script("return Boolean(window.latentSpace)"))
    assert picture(browser).max() > 200
    assert errors() == []
