"""The report in a browser, from the file system: no complaint, nothing from outside, films that play, any window."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = pytest.mark.slow
WINDOWS = pytest.mark.parametrize("width", [360, 768, 1280])
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
# What reaches past the right edge of the window and is not inside something that scrolls by itself.
TOO_WIDE = """
const width = document.documentElement.clientWidth, found = [];
for (const element of document.querySelectorAll("body *")) {
  const box = element.getBoundingClientRect();
  if (!box.width || box.right <= width + 1) continue;
  let parent = element.parentElement;
  while (parent && getComputedStyle(parent).overflowX === "visible") parent = parent.parentElement;
  if (!parent || parent.contains(document.body)) found.push(element.outerHTML.slice(0, 80));
}
return found.slice(0, 5);
"""
# Text of less than 4.5 : 1 against what lies behind it (WCAG 2, level AA), by the elements' own colours.
FAINT = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255);
};
const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
const light = (c) => c.slice(0, 3).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  const colours = [];
  for (let e = element; e; e = e.parentElement) colours.unshift(rgba(getComputedStyle(e).backgroundColor));
  return colours.reduce((below, top) => over(top, below), [1, 1, 1]);
};
const found = [];
for (const element of document.querySelectorAll("main *, header *")) {
  const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!text || element.closest("svg, math, script, noscript, option") || !element.getClientRects().length) continue;
  const back = behind(element), front = over(rgba(getComputedStyle(element).color), back);
  const [a, b] = [light(front), light(back)], ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) found.push(`${ratio.toFixed(1)}: ${element.outerHTML.slice(0, 80)}`);
}
return found.slice(0, 5);
"""


def test_the_console_is_silent_and_nothing_comes_from_outside(opened, errors):
    opened.execute_async_script("scrollTo({top: 1e7, behavior: 'instant'}); setTimeout(arguments[0], 500)")
    assert errors() == []
    used = opened.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name[:60] for name in used if not name.startswith(("data:", "file:"))] == []
    pictures = "return [...document.images].filter((i) => i.complete && !i.naturalWidth).map((i) => i.alt)"
    assert opened.execute_script(pictures) == []


def test_a_film_plays(opened, errors):
    films = opened.find_elements(By.TAG_NAME, "video")
    assert films
    opened.execute_script("arguments[0].muted = true; arguments[0].play()", films[0])
    WebDriverWait(opened, 20).until(lambda _: opened.execute_script("return arguments[0].currentTime", films[0]) > 0.3)
    assert opened.execute_script("return arguments[0].videoWidth", films[0]) > 0
    assert errors() == []


def test_the_beta_slider_changes_the_pictures(opened):
    visible = """const shown = [...document.querySelectorAll("#beta-study img")].filter((i) => i.offsetParent);
    return [document.querySelector("#beta-study output").textContent, ...shown.map((i) => i.src)];"""
    slider = opened.find_element(By.ID, "beta-slider")
    slider.send_keys(Keys.HOME)
    seen = []
    for _ in range(1 + int(slider.get_attribute("max"))):
        seen.append(tuple(opened.execute_script(visible)))
        slider.send_keys(Keys.ARROW_RIGHT)
    assert len(seen) >= 2
    assert len(set(seen)) == len(seen), "every stop has its own beta and pictures"
    assert all(len(stop) > 1 for stop in seen)


@SCHEMES
@WINDOWS
def test_nothing_is_wider_than_the_window(browser, report, window, width, scheme):
    window(width, scheme)
    browser.get(report.as_uri())
    assert browser.execute_script("return innerWidth") == width
    for folded in browser.find_elements(By.TAG_NAME, "details"):
        browser.execute_script("arguments[0].open = true", folded)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(TOO_WIDE) == []


@SCHEMES
def test_text_stands_out_in_light_and_dark(browser, report, window, scheme):
    window(1280, scheme)
    browser.get(report.as_uri())
    assert browser.execute_script(FAINT) == []


def test_the_button_turns_light_into_dark(opened):
    colour = "return getComputedStyle(document.body).backgroundColor"
    before = opened.execute_script(colour)
    opened.find_element(By.ID, "theme").click()
    assert opened.execute_script(colour) != before
    opened.execute_script("localStorage.clear()")
