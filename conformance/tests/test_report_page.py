"""Tests of the HTML report in headless Chromium, without a network."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from lxml import etree
from report_sample import HOSTILE, large, sample
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from kcom5_conformance.compare import compare
from kcom5_conformance.escape import safe
from kcom5_conformance.report.html import write_html
from kcom5_conformance.report.json import write_json
from kcom5_conformance.results import Explored, Run, Verdict

FAINT = """
  const share = (v) => v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(share);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    const colour = getComputedStyle(e).backgroundColor;
    return !/, 0\\)$/.test(colour) ? colour : e.parentElement ? behind(e.parentElement) : "rgb(255, 255, 255)";
  };
  const contrast = (e) => {
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  return [...document.querySelectorAll("body *")]
    .filter((e) => !e.closest("[hidden], script, noscript, option"))
    .filter((e) => [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .filter((e) => contrast(e) < 4.5).map((e) => [contrast(e), e.className, e.textContent.slice(0, 40)]);
"""
"""Text whose contrast is below what WCAG 2 asks for (AA)."""

WIDE = """
  return [...document.querySelectorAll("main *, header *")]
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, .dump, pre"))
    .map((e) => [e.tagName, e.className, e.textContent.slice(0, 40)]);
"""
"""Elements that reach past the right edge and do not scroll."""

SCROLLS = """
  return [...document.querySelectorAll(".scroll, .dump, pre")].filter((e) => e.scrollWidth > e.clientWidth + 1)
    .map((e) => [e.tagName, e.className, e.textContent.slice(0, 40)]);
"""
"""Elements that a narrow screen cuts until they are scrolled."""

TABS = ["groups", "rules", "cases", "matrix", "compare"]

NAMELESS = """
  return [...document.querySelectorAll("button, input, select, a")]
    .filter((e) => !(e.textContent.trim() || e.ariaLabel || (e.labels && e.labels.length)))
    .map((e) => e.outerHTML.slice(0, 80));
"""
"""Controls without a name for a screen reader."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    found = [shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")]
    found.append(shutil.which("chromedriver"))
    if None in found:
        pytest.skip("NOT RUN: the page in a browser: there is no chromium or no chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(found[0])
    for flag in [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Selenium chooses the driver's port before the driver listens there, so another program may take it.
    for left in (2, 1, 0):
        try:
            driver = webdriver.Chrome(options, webdriver.ChromeService(str(found[1])))
            break
        except WebDriverException:
            if not left:
                raise
    yield driver
    driver.quit()


class Page:
    """Opens the page of a run in the browser, at one of its tabs, or "" for the first."""

    loads = itertools.count()
    emulated: ClassVar[dict[str, dict[str, object]]] = {}
    """The last parameters of each command of the browser."""

    def __init__(self, browser: webdriver.Chrome, run: Run, path: Path, tab: str = "cases") -> None:
        write_html(run, path)
        self.browser = browser
        self.size(1280, 900)
        self.media("light")
        self.address = path.as_uri()
        self.load(tab and f"#{tab}")

    def load(self, fragment: str = "") -> None:
        """Loads the page anew. On a busy machine `get` may take the end of the load before for that of its own.

        The query makes this a load of its own. A detour by `about:blank` would start a process of the browser.
        """
        address = f"{self.address}?{next(self.loads)}"
        self.browser.get(address + fragment)
        loaded = "return document.readyState === 'complete' && location.href.split('#')[0] === arguments[0]"
        WebDriverWait(self.browser, 120).until(lambda _: self.script(loaded, address))

    def size(self, width: int, height: int) -> None:
        self.emulate("setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def media(self, scheme: str, kind: str = "") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.emulate("setEmulatedMedia", media=kind, features=features)

    def emulate(self, command: str, **parameters: object) -> None:
        """Gives the command if its parameters are new, because the browser draws everything again after it."""
        if self.emulated.get(command) != parameters:
            self.browser.execute_cdp_cmd(f"Emulation.{command}", parameters)
            self.emulated[command] = parameters

    def all(self, css: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, css)

    def ids(self) -> list[str]:
        """The ids of the cases that can be seen, by one call: Selenium takes milliseconds for each element."""
        return self.list("[...document.querySelectorAll('.case .id')].filter(isSeen).map((e) => e.textContent)")

    def keys(self, *keys: str) -> None:
        for key in keys:
            webdriver.ActionChains(self.browser).send_keys(key).perform()

    def tab(self, name: str) -> None:
        self.one(f"#tab-{name}").click()

    def shown(self) -> list[str]:
        """The sections that can be seen."""
        return self.list("[...document.querySelectorAll('main > section')].filter(isSeen).map((e) => e.id)")

    def choose(self, filter_id: str, value: str) -> None:
        self.one(f"#{filter_id} option[value='{value}']").click()

    def focused(self) -> WebElement:
        return self.browser.switch_to.active_element

    def script(self, code: str, *arguments: object) -> object:
        return self.browser.execute_script(code, *arguments)

    def list(self, expression: str) -> list[str]:
        found = self.script(
            f"const isSeen = (e) => e.checkVisibility({{visibilityProperty: true}}); return {expression}"
        )
        assert isinstance(found, list)
        return found


def attribute(element: WebElement, name: str) -> str:
    """Returns the one visible element."""
    value = element.get_attribute(name)
    assert value is not None, name
    return value


def console(browser: webdriver.Chrome) -> list[dict[str, object]]:
    """Returns what was written there since the last call, except by the browser's own first page."""
    get_log: Callable[[str], list[dict[str, object]]] = browser.get_log  # selenium gives it no types
    return [one for one in get_log("browser") if not str(one["message"]).startswith("chrome://")]


@pytest.fixture
def page(browser: webdriver.Chrome, tmp_path: Path) -> Iterator[Page]:
    console(browser)
    page = Page(browser, sample(), tmp_path / "report.html")
    yield page
    assert console(browser) == [], "the console is silent"
    assert page.script("return performance.getEntriesByType('resource').length") == 0, "nothing is fetched"


def test_the_page_opens_with_what_failed(page: Page) -> None:
    page.load()
    assert page.shown() == ["groups"]
    page.tab("cases")
    assert page.one(".verdict").text.startswith("NOT as expected: 6 failed")
    assert len(page.ids()) == 6
    assert page.one("#count").text == "6 of 33 cases"
    assert "hello.gone/away" in page.one(".complaints").text


def test_a_cell_of_the_matrix_leads_to_its_cases_and_a_case_to_its_ladder(page: Page) -> None:
    page.tab("matrix")
    cells = page.all("#matrix-table .cell")
    assert len(cells) == 12
    bad = [cell for cell in cells if "fail" in attribute(cell, "class")]
    assert [cell.get_attribute("aria-label") for cell in bad] == [
        "1 of 2 ✗ tcp4: mine to go over tcp4, 1 passed, 1 failed; show the cases",
        "1 of 2 ✗ tcp4: mine to mine over tcp4, 1 passed, 1 failed; show the cases",
    ]
    bad[0].click()
    assert page.ids() == ["matrix/mine-to-go/0/plain@tcp4", "matrix/mine-to-go/65536/plain@tcp4"]
    assert page.focused().find_element(By.CSS_SELECTOR, ".id").text == page.ids()[0]
    page.all(".case")[1].click()
    assert [element.text for element in page.all(".ladder .head span")] == ["server", "client"]
    assert "8 octets 4b 43 4f 4d 35 aa bb cc" in page.one(".ladder").text
    assert "4,096 octets" in page.one(".pair .got").text
    assert attribute(page.one(".detail blockquote a"), "href").endswith("spec/kcom5.md#data.opaque")


def test_a_failing_case_shows_all_that_is_known(page: Page) -> None:
    page.one("#search").send_keys("message.length/one")
    page.one(".case").click()
    detail = page.one(".detail")
    assert page.one(".case").get_attribute("aria-expanded") == "true"
    assert page.one(".case").get_attribute("aria-controls") == detail.get_attribute("id")
    assert "the message length looks big-endian" in page.one(".detail .cause").text
    assert [element.text for element in page.all(".dump mark")] == ["00"]
    assert "expected  4b 43 4f 4d 35 aa bb cc 02 00 00 00" in attribute(page.one(".dump .w"), "textContent")
    assert "The message is cut or runs into what follows" in detail.text
    assert "The message length MUST be the number of octets" in detail.text
    assert "kcom5-conformance run --case message.length/one@tcp6 --seed 7" in detail.text
    assert "python3 - <<'E'" in detail.text
    assert len(page.all(".ladder .reset")) == 1
    assert len(page.all(".ladder .t")) == 12
    assert "1,048,576 octets" in page.one(".ladder").text


def test_a_program_can_be_copied(page: Page) -> None:
    page.script("document.addEventListener('copy', () => { window.copied = String(getSelection()); });")
    page.script("Object.defineProperty(navigator, 'clipboard', {value: {writeText: async () => { throw Error(); }}});")
    page.one("#search").send_keys("message.length/one")
    page.one(".case").click()
    buttons = page.all(".code button")
    buttons[1].click()
    assert buttons[1].text == "copied"
    assert str(page.script("return window.copied")).startswith("python3 - <<'E'\nimport ")


def test_the_search_looks_at_ids_notes_causes_and_reasons(page: Page) -> None:
    page.one("#clear").click()
    assert len(page.ids()) == 33
    for text, ids in {
        "BIG-endian two": ["message.length/two@tcp6"],
        "network namespace": ["connect.self/own-port@tcp6"],
        "no such case": [],
    }.items():
        page.one("#search").clear()
        page.one("#search").send_keys(text)
        assert page.ids() == ids
        assert page.one("#count").text == f"{len(ids)} of 33 cases"


def test_a_filter_keeps_what_it_names(page: Page) -> None:
    for filter_id, value, count in (
        ("verdict", "known-failure", 1),
        ("rule", "message.length", 2),
        ("rule", "close.confirm", 4),
        ("peer", "mine>go", 6),
        ("via", "unix", 9),
        ("role", "client", 2),
        ("level", "SHOULD", 2),
    ):
        page.one("#clear").click()
        page.choose(filter_id, value)
        assert len(page.ids()) == count, value


def test_filters_and_search_work_together(page: Page) -> None:
    page.choose("verdict", "fail")
    page.choose("via", "tcp4")
    page.one("#search").send_keys("mine-to-go")
    assert page.ids() == ["matrix/mine-to-go/65536/plain@tcp4"]


def test_a_rule_of_the_table_leads_to_its_cases(page: Page) -> None:
    page.tab("rules")
    cells = page.all("#rules .cell.fail")
    names = [attribute(cell, "aria-label") for cell in cells]
    assert names[0] == "2 of 2 ✗ mine: message.length, 0 passed, 2 failed; show the cases", "broken rules first"
    cells[next(at for at, name in enumerate(names) if "hello.nonce" in name)].click()
    assert page.ids() == ["hello.nonce/differs@tcp6"]
    assert len(page.all("[data-rule]")) == len(sample().rules)


def test_rules_have_their_sentence_and_those_that_are_not_claimed_are_folded(page: Page) -> None:
    page.tab("rules")
    folded = page.one("#rules details")
    assert folded.text == "1 rule not claimed"
    rule = page.one("[data-rule='unix.mode']")
    assert not rule.is_displayed()
    folded.find_element(By.TAG_NAME, "summary").click()
    sentence = next(rule.sentence for rule in sample().rules if rule.name == "unix.mode")
    assert sentence in rule.text


def test_the_keyboard_is_enough(page: Page) -> None:
    page.keys("/")
    assert page.focused().get_attribute("id") == "search"
    page.keys("message.length", Keys.ENTER)
    assert page.focused().find_element(By.CSS_SELECTOR, ".id").text == "message.length/one@tcp6"
    page.keys("j")
    assert page.focused().find_element(By.CSS_SELECTOR, ".id").text == "message.length/two@tcp6"
    page.keys("j", Keys.ARROW_UP, Keys.ARROW_DOWN, "k")
    assert page.focused().find_element(By.CSS_SELECTOR, ".id").text == "message.length/one@tcp6"
    assert page.focused().value_of_css_property("outline-style") == "solid"
    page.keys(Keys.ENTER)
    assert len(page.all(".detail")) == 1
    page.keys(Keys.TAB, Keys.ESCAPE)
    assert page.all(".detail") == []
    assert page.focused().find_element(By.CSS_SELECTOR, ".id").text == "message.length/one@tcp6"
    page.keys("/", Keys.ESCAPE)
    assert len(page.ids()) == 6


def test_a_link_leads_to_a_case(page: Page) -> None:
    page.all(".case")[1].click()
    there = "#" + page.browser.current_url.partition("#")[2]
    assert "case=mine%7Cmessage.length%2Ftwo%40tcp6" in there
    page.load(there)
    assert page.one("li.open .id").text == "message.length/two@tcp6"
    assert len(page.ids()) == 6
    page.load("#case=mine%7Cmessage.length%2Ftwo%40tcp6")
    assert page.ids() == ["message.length/two@tcp6"]
    assert len(page.all(".detail")) == 1


def test_back_leads_to_what_was_shown_before(page: Page) -> None:
    page.all(".case")[1].click()
    page.all(".case")[2].click()
    assert len(page.all(".detail")) == 2
    page.browser.back()
    assert page.one("li.open .id").text == "message.length/two@tcp6"
    assert len(page.all(".detail")) == 1


def test_a_filter_does_not_close_the_open_case(page: Page) -> None:
    page.all(".case")[1].click()
    page.choose("verdict", "known-failure")
    assert page.one("li.open .id").text == "message.length/two@tcp6"
    assert page.ids() == ["message.length/two@tcp6", "hello.alone/browser@tcp6"]
    assert page.one("#count").text == "1 of 33 cases, and 1 open"
    page.browser.back()
    assert attribute(page.one("#verdict"), "value") == "failed"
    assert page.one("li.open .id").text == "message.length/two@tcp6"


def test_one_tab_is_shown_and_back_leads_to_the_one_before(page: Page) -> None:
    assert [tab.text for tab in page.all("[role=tab]")] == ["Groups 5", "Rules", "Cases", "Matrix", "Compare"]
    for name in TABS:
        page.tab(name)
        assert page.shown() == [name]
        assert [tab.get_attribute("id") for tab in page.all("[aria-selected=true]")] == [f"tab-{name}"]
        assert attribute(page.one(f"#{name}"), "aria-labelledby") == f"tab-{name}"
        assert f"tab={name}" in page.browser.current_url
    for name in TABS[-2::-1]:
        page.browser.back()
        assert page.shown() == [name]
    page.tab("rules")
    page.browser.refresh()
    assert page.shown() == ["rules"]


def test_arrows_lead_from_tab_to_tab(page: Page) -> None:
    page.tab("groups")
    for key, name in [
        (Keys.ARROW_RIGHT, "rules"),
        (Keys.END, "compare"),
        (Keys.ARROW_RIGHT, "groups"),
        (Keys.ARROW_LEFT, "compare"),
        (Keys.HOME, "groups"),
    ]:
        page.keys(key)
        assert page.focused().get_attribute("id") == f"tab-{name}"
        assert page.shown() == [name]
    page.keys(Keys.TAB)
    assert page.focused().text == "shortest case", "only the chosen tab is on the way"


def test_another_tab_keeps_the_filter_and_the_open_case(page: Page) -> None:
    page.choose("verdict", "flaky")
    page.one(".case").click()
    page.tab("rules")
    page.browser.refresh()
    page.tab("cases")
    assert page.ids() == ["message.length/two@tcp6"]
    assert len(page.all(".detail")) == 1


def test_showing_all_is_kept_in_the_address(page: Page) -> None:
    page.one("#clear").click()
    page.browser.refresh()
    assert len(page.ids()) == 33


def test_without_a_script_everything_is_there(page: Page) -> None:
    document = etree.parse(page.address.removeprefix("file://"), etree.HTMLParser())
    for script in document.iter("script"):
        script.clear()
    text = " ".join("".join(document.getroot().itertext()).split())
    assert not document.findall(".//*[@hidden]")
    assert [link.get("href") for link in document.findall(".//nav//a")] == [f"#{name}" for name in TABS]
    for result in sample().results:
        assert f"{result.verdict.value} {safe(result.id)} {result.peer}" in text
    for rule in sample().rules:
        assert rule.sentence in text
    assert "1. mine as server: sends wrong octets, in a length: 2 cases" in text
    assert "run again: kcom5-conformance run --case message.length/one@tcp6 --seed 7" in text


def test_without_a_script_the_page_is_readable_and_has_no_dead_control(page: Page) -> None:
    page.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.load()
        tree = page.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    finally:
        page.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    names = [(node["role"]["value"], node["name"]["value"]) for node in tree if not node["ignored"] and "name" in node]
    assert ("heading", "1. mine as server: sends wrong octets, in a length: 2 cases") in names
    assert [name for role, name in names if role in ("button", "searchbox", "combobox", "tab")] == []
    assert ("heading", "Cases") in names


def other(started: str = "2026-01-01T00:00:00Z") -> Run:
    """A run with one change of each kind from the sample."""
    run = sample()
    run.started = started
    by_id = {result.id: result for result in run.results}
    by_id["hello.segments/three-pieces@tcp6"].verdict = Verdict.FAIL  # passes in the sample
    by_id["message.length/one@tcp6"].verdict = Verdict.PASS  # fails
    differs = by_id["message.length/two@tcp6"]
    differs.problems = [replace(differs.problems[0], axis="time"), *differs.problems[1:]]  # fails in another way
    by_id["connect.self/own-port@tcp6"].verdict = Verdict.UNSUPPORTED  # was not run
    gone = by_id["address.reject/no-key"]
    gone.id, gone.note = "address.reject/" + HOSTILE, "another case"
    return run


SHOWN = safe(HOSTILE).replace("\\x00", "\\u{0}").replace("\\x1b", "\\u{1b}")
OLDER = {
    "broken (1)": ["pass → fail message.length/one@tcp6 mine"],
    "other failure (1)": ["flaky → flaky message.length/two@tcp6 mine"],
    "fixed (1)": ["fail → pass hello.segments/three-pieces@tcp6 go"],
    "other verdict (1)": ["unsupported → not-run connect.self/own-port@tcp6 mine"],
    "new (1)": ["pass address.reject/no-key go"],
    "gone (1)": [f"pass address.reject/{SHOWN} go"],
}
NEWER = {
    "broken (1)": ["pass → fail hello.segments/three-pieces@tcp6 go"],
    "other failure (1)": ["flaky → flaky message.length/two@tcp6 mine"],
    "fixed (1)": ["fail → pass message.length/one@tcp6 mine"],
    "other verdict (1)": ["not-run → unsupported connect.self/own-port@tcp6 mine"],
    "new (1)": [f"pass address.reject/{SHOWN} go"],
    "gone (1)": ["pass address.reject/no-key go"],
}
DROP = """
  const files = new DataTransfer();
  for (const [name, text] of arguments[0]) files.items.add(new File([text], name));
  const options = {dataTransfer: files, bubbles: true, cancelable: true};
  document.body.dispatchEvent(new DragEvent("dragover", options));
  const dropping = document.body.className;
  return [dropping, document.body.dispatchEvent(new DragEvent("drop", options)), document.body.className];
"""


def said(page: Page, start: str) -> str:
    """Returns the page's text after the browser has read the file in the background."""
    WebDriverWait(page.browser, 120).until(lambda _: page.one("#said").text.startswith(start))
    return page.one("#said").text


COMPARED = """
  const row = (e) => [...e.children].map((part) => part.textContent).join(" ");
  return Object.fromEntries([...document.querySelectorAll("#compared details")]
    .map((box) => [box.querySelector("summary").textContent, [...box.querySelectorAll("li")].map(row)]));
"""


def changes(page: Page) -> object:
    """Returns the rows of each list of the comparison."""
    return page.script(COMPARED)


@pytest.mark.parametrize(
    ("started", "age", "expected"), [("2026-01-01T00:00:00Z", "older", OLDER), ("2026-02-01T00:00:00Z", "newer", NEWER)]
)
def test_a_dropped_report_is_compared(
    page: Page, tmp_path: Path, started: str, age: str, expected: dict[str, list[str]]
) -> None:
    write_json(other(started), tmp_path / "other.json")
    text = (tmp_path / "other.json").read_text(encoding="utf-8")
    assert page.script(DROP, [["other.json", text]]) == ["dropping", False, ""]
    counts = "broken 1, other failure 1, fixed 1, other verdict 1, new 1, gone 1, same 28"
    assert said(page, "Compared") == (
        f"Compared with other.json: a run that is {age}, of {started}. From the older to the newer: {counts}."
    )
    assert page.shown() == ["compare"]
    assert changes(page) == expected
    assert len(page.all("script")) == 2, "text stays text"
    page.one("#compared details button").click()
    assert page.one("li.open .id").text == next(iter(expected.values()))[0].split()[3]
    page.browser.back()
    assert page.shown() == ["compare"]
    assert len(page.all("#compared details")) == 6


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("hello.segments/three-pieces@tcp6", "hello.segments/in-three@tcp6"),  # the same note
        ("connect.self/own-port@tcp6", "connect.alone/own-port@tcp6"),  # the same but for the rule
    ],
)
def test_a_renamed_case_is_paired_as_the_command_does(page: Page, tmp_path: Path, here: str, there: str) -> None:
    run = sample()
    run.started = "2026-01-01T00:00:00Z"
    result = next(one for one in run.results if one.id == here)
    result.id, result.rule = there, there.split("/")[0]
    if there.startswith("connect"):
        result.note = "another note"
    comparison = compare(run, sample())
    assert [(one.old.id, one.new.id) for one in comparison.renamed if one.old and one.new] == [(there, here)]
    write_json(run, tmp_path / "other.json")
    page.script(DROP, [["other.json", (tmp_path / "other.json").read_text(encoding="utf-8")]])
    assert said(page, "Compared").endswith("renamed 1, same 32.")
    found = changes(page)
    assert isinstance(found, dict)
    (row,) = found["renamed (1)"]
    assert f" {there} → {here} " in row


def test_a_chosen_report_is_compared(page: Page, tmp_path: Path) -> None:
    write_json(sample(), tmp_path / "report.json")
    page.tab("compare")
    page.one("#other").send_keys(str(tmp_path / "report.json"))
    assert said(page, "Compared").endswith("From the older to the newer: same 33.")
    assert changes(page) == {}


RESULT = {"id": "a.b/c", "peer": "x", "verdict": "pass", "problems": []}


NOT_COMPARED: list[tuple[object, str]] = [
    ("no JSON", "it is not JSON"),
    ("null", "it has no results"),
    ("[]", "it has no results"),
    ({"format": 1, "started": "", "results": {}}, "it has no results"),
    ({"format": 2, "started": "", "results": []}, "its format is 2, and this page reads 1"),
    ({"results": []}, "its format is undefined, and this page reads 1"),
    ({"format": 1, "started": 5, "results": []}, "it does not say when it started"),
    ({"format": 1, "started": "", "results": [RESULT, None]}, "result 2 is none"),
    ({"format": 1, "started": "", "results": [RESULT | {"id": 1}]}, "result 1 is none"),
    ({"format": 1, "started": "", "results": [RESULT | {"verdict": "<b>"}]}, "result 1 is none"),
    ({"format": 1, "started": "", "results": [RESULT | {"problems": None}]}, "result 1 is none"),
    ({"format": 1, "started": "", "results": [RESULT | {"problems": [{"rule": 1}]}]}, "result 1 is none"),
]


def test_a_file_that_is_no_report_gets_one_message(page: Page) -> None:
    for number, (document, why) in enumerate(NOT_COMPARED):
        name = f"<b>bad {number}</b>"
        page.script(DROP, [[name, document if isinstance(document, str) else json.dumps(document)]])
        message = f"{name} is not a report that can be compared: {why}. Take the report.json of another run."
        assert said(page, name) == message
        assert page.all("#compared *") == []


def test_runs_of_other_implementations_have_nothing_to_compare(page: Page) -> None:
    document = {"format": 1, "started": "2026-02-01T00:00:00Z", "results": [RESULT]}
    page.script(DROP, [["x.json", json.dumps(document)]])
    message = "new 1, gone 33, same 0. They have no case in common: the names of the implementations differ."
    assert said(page, "Compared").endswith(message)


def test_a_bad_file_removes_the_comparison_before_it(page: Page, tmp_path: Path) -> None:
    write_json(other(), tmp_path / "other.json")
    page.tab("compare")
    page.one("#other").send_keys(str(tmp_path / "other.json"))
    said(page, "Compared")
    assert len(page.all("#compared details")) == 6
    page.script(DROP, [["bad", "{"]])
    said(page, "bad is not a report")
    assert page.all("#compared *") == []


def test_two_dropped_files_get_one_message(page: Page) -> None:
    page.script(DROP, [["one.json", "{}"], ["two.json", "{}"]])
    assert said(page, "One file") == "One file, please: the report.json of another run."


def test_groups_come_first_and_lead_to_their_cases(page: Page) -> None:
    page.tab("groups")
    titles = [element.text for element in page.all("#groups-list h3")]
    assert titles[0] == "1. mine as server: sends wrong octets, in a length: 2 cases"
    assert "the message length looks big-endian" in page.all("#groups-list li")[0].text
    page.all("#groups-list li")[0].find_elements(By.TAG_NAME, "button")[1].click()
    assert page.ids() == ["message.length/one@tcp6", "message.length/two@tcp6"]
    page.browser.back()
    assert page.shown() == ["groups"]
    page.all("#groups-list button")[0].click()
    assert page.one("li.open .id").text == "message.length/one@tcp6"


def test_parts_of_the_bar_are_as_wide_as_they_are_many(page: Page) -> None:
    widths = {attribute(part, "class"): part.size["width"] for part in page.all(".bar span")}
    assert list(widths) == ["pass", "fail", "known", "unsupported", "not-run"]
    assert widths["pass"] > 3 * widths["fail"] > 3 * widths["known"]
    assert "24 passed" in page.one(".legend").text


def test_text_of_a_peer_stays_text(page: Page) -> None:
    page.one("#clear").click()
    page.one("#search").send_keys("close.extra/one")
    page.one(".case").click()
    assert page.one(".detail .cause").get_attribute("textContent") == safe(HOSTILE)
    assert len(page.all("script")) == 2


def test_text_of_a_peer_stays_text_in_every_field(page: Page, tmp_path: Path) -> None:
    run = sample()
    run.machine = run.command = run.suite = run.started = HOSTILE
    run.complaints = [HOSTILE]
    for peer in run.peers:
        peer.name = HOSTILE
    for rule in run.rules:
        rule.sentence = rule.effect = HOSTILE
    for result in run.results:
        result.id, result.peer, result.rule, result.note = f"matrix/{HOSTILE}", f"{HOSTILE}>{HOSTILE}", HOSTILE, HOSTILE
    hostile = Page(page.browser, run, tmp_path / "hostile.html")
    assert len(hostile.all("script")) == 2
    for button in hostile.all(".case"):
        button.click()
    assert len(hostile.all(".detail")) == 6


def test_text_can_be_read_in_light_and_dark(page: Page) -> None:
    page.one("#search").send_keys("message.length/one")
    page.one(".case").click()
    for scheme in ("light", "dark"):
        page.media(scheme)
        for name in TABS:
            page.tab(name)
            assert page.script(FAINT) == []
        dark = page.script("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
        assert dark == (scheme == "dark")


def test_nothing_is_wider_than_the_screen(page: Page) -> None:
    page.one("#clear").click()
    for button in page.all(".case")[:9]:
        button.click()
    for width in (1280, 768, 360):
        page.size(width, 740)
        for name in TABS:
            page.tab(name)
            beyond = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.script(beyond) == 0
            assert page.script(WIDE) == []
            assert page.script(SCROLLS if width == 360 else "return []") == []


def test_what_was_explored_fits_a_narrow_screen(browser: webdriver.Chrome, tmp_path: Path) -> None:
    run = sample()
    events = [
        "connected",
        "more",
        "whole",
        "wrong",
        "acknowledged",
        "early-end",
        "reset",
        "timeout",
        "failure",
        "cancel",
    ]
    pairs = [
        {"state": state, "event": event, "visits": len(event) % 8 and 1234, "dash": event == "timeout"}
        for state in ("hello", "sending")
        for event in events
    ]
    outcomes = [{"rule": "hello.any-nonce", "outcome": "invalid-connection", "visits": 3}]
    run.explored = [Explored("mine", "server", 1234, 5.0, 0, pairs, outcomes)]
    page = Page(browser, run, tmp_path / "explored.html", "explored")
    page.size(360, 740)
    assert page.shown() == ["explored"]
    assert page.script(SCROLLS) == []
    assert page.script(WIDE) == []
    row = page.one("#explored tbody tr").text
    assert "connected 1,234" in row
    assert "early-end 1,234" in row
    assert "timeout 1,234" in row


def test_paper_gets_the_failures_opened_and_no_controls(page: Page) -> None:
    page.script("dispatchEvent(new Event('beforeprint'))")
    page.media("light", "print")
    assert len(page.all(".detail")) == 6
    assert not page.one(".tools").is_displayed()


def test_every_control_has_a_name(page: Page) -> None:
    assert page.script(NAMELESS) == []


def test_the_policy_of_the_page_refuses_every_request(page: Page) -> None:
    policy = attribute(page.one("meta[http-equiv]"), "content")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not [e for e in page.all("[src], link[href]") if not (e.get_attribute("href") or "").startswith("data:")]


def test_six_thousand_results_are_drawn_as_they_are_looked_at(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = Page(browser, large(), tmp_path / "large.html")
    page.one("#clear").click()
    assert page.one("#count").text == "6,000 of 6,000 cases"
    assert 0 < len(page.all(".case")) < 1000
    page.one("#search").send_keys("case-5960")
    assert page.ids() == [page.ids()[0]]
    assert "/case-5960@" in page.ids()[0]
    page.keys(Keys.ESCAPE)
    page.one("#clear").click()
    page.script("for (let i = 0; i < 300; i++) move(1);")
    assert len(page.all(".case")) > 299


def test_a_page_without_results_says_so(browser: webdriver.Chrome, tmp_path: Path) -> None:
    run = sample()
    run.results, run.peers, run.complaints = [], [], []
    page = Page(browser, run, tmp_path / "empty.html")
    assert page.one("#count").text == "0 of 0 cases"
    assert page.shown() == ["cases"]
    assert [tab.text for tab in page.all("[role=tab]")] == ["Rules", "Cases", "Compare"]
