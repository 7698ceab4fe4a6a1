"""A headless Chromium, and the report as it lies on a reader's disk."""

import os
import pathlib
import shutil

import pytest
from selenium.webdriver.support.ui import WebDriverWait

ROOT = pathlib.Path(__file__).resolve().parents[2]
SWITCHES = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars")


def _programs():
    """(chromium, chromedriver, why not): Debian's packages chromium and chromium-driver, or the same elsewhere."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    missing = [name for name, path in (("chromium", chromium), ("chromium-driver", driver)) if not path]
    return chromium, driver, f"no {' and no '.join(missing)} here: sudo apt install chromium chromium-driver"


@pytest.fixture(scope="session")
def browser():
    """A Selenium driver. Without a browser the test is skipped, or fails where JGEN_BROWSER is `required`."""
    chromium, driver, reason = _programs()
    if not (chromium and driver):
        if os.environ.get("JGEN_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in SWITCHES:
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """index.html, built from the committed results."""
    from reproduction import reporting

    out = tmp_path_factory.mktemp("report")
    shutil.copytree(ROOT / "results" / "published", out / "results" / "published")
    reporting.build(out)
    return out / "report" / "index.html"


@pytest.fixture
def window(browser):
    """window(width, scheme): a window of so many CSS pixels, for a reader who prefers "light" or "dark"."""

    def window(width, scheme="light"):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        wish = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [wish]})

    return window


@pytest.fixture
def errors(browser):
    """errors(): what the console complained of since the test began: exceptions, files that could not be loaded."""
    browser.get_log("browser")
    return lambda: [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture
def opened(browser, report, window, errors):
    """The browser at the report: a window of 1280 x 900, in light, nothing touched yet."""
    window(1280)
    browser.get(report.as_uri())
    WebDriverWait(browser, 20).until(lambda _: browser.execute_script("return Boolean(window.latentSpace)"))
    return browser
