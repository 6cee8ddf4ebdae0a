"""The page, in a real browser: what it shows, by keyboard alone, with nothing from elsewhere."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest
import uvicorn
from browser import chromium
from control_file import judge, publish
from given import FAILED
from serving import RUN, Held, Scene

WEEK = {"from_date": "2024-11-01", "to_date": "2024-11-07"}
NASTY = "<img src=x onerror=document.title='broken'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as page:
        yield page


@pytest.fixture
def served(control, dbt) -> Iterator[tuple[Scene, str]]:
    """The service on a port of its own, as a browser reaches it."""
    made = Scene(control, dbt)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(made.app, http="h11", log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        # Without the context: the server has started the application already.
        yield made, f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


def wait_for(page: Any, selector: str) -> Any:
    return page.wait_for_selector(selector, timeout=60_000)


def enter(page: Any, url: str, key: str) -> None:
    page.goto(url)
    wait_for(page, "#key:focus")
    page.fill("#key", key)
    page.keyboard.press("Enter")
    wait_for(page, "#runs td")


def test_everything_is_shown_and_reached_by_keyboard(served, browser) -> None:
    scene, url = served
    scene.dbt.outcome = FAILED
    run_id = scene.post(RUN, {**WEEK, "trigger_by": NASTY}).json()["pipeline_logging_id"]
    scene.until(run_id, "FAILED")
    with duckdb.connect(str(scene.control.path.parent / "tenant_acme.duckdb")) as connection:
        failed = {
            **{
                "expectation": "reconciles",
                "description": "cost is the export's",
                "status": "fail",
            },
            **{"failing_rows": 2, "node": "model.p.billing_cost_daily", "samples": [NASTY, NASTY]},
        }
        judge(connection, run_id, "billing_cost_daily", "FAIL", failed)
        judge(connection, run_id, "gcp_silver_cost", "PASS", passed=1)
        week = [date(2024, 11, 1) + timedelta(days=n) for n in range(7)]
        publish(connection, "before", "cost_by_service_daily", *week, read=("billing_cost_daily",))
        publish(connection, run_id, "billing_cost_daily", week[0])
    published = [
        {
            **{"table": "billing_cost_daily", "from_date": "2024-11-01", "to_date": "2024-11-07"},
            **{"rows": 2, "net": None, "expectations_passed": 1, "read_tables": []},
            "published_at": "2024-11-08T00:00:00+00:00",
        }
    ]
    scene.control.sql(
        "update acme.x_meta_pipeline_runs set status = 'COMPLETED', publications = ?",
        json.dumps(published),
    )
    page, asked, errors = browser, [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)

    # A wrong key first, then ours: typed, entered, never in the address.
    wait_for(page, "#key:focus")
    page.keyboard.type("gtc_wrong")
    page.keyboard.press("Enter")
    wait_for(page, "#trouble:not([hidden])")
    assert "X-API-Key" in page.inner_text("#trouble")
    assert errors and all("401" in line for line in errors), errors
    errors.clear()
    page.fill("#key", "")
    page.keyboard.type(scene.key)
    page.keyboard.press("Enter")
    wait_for(page, "#runs [data-run]")
    assert scene.key not in page.url and page.is_hidden("#login") and page.is_hidden("#trouble")

    assert page.inner_text("#tenant").startswith("acme")
    assert "24 of 25 left (daily" in page.inner_text("#quota")
    row = page.inner_text("#runs")
    assert "2024-11-01" in row and "COMPLETED" in row and NASTY in row

    # Costs: seven days, three services, net; the numbers as a table, too.
    wait_for(page, "#days svg rect")
    assert page.locator("#days svg g").count() == 7
    assert "Compute & <b>Co</b>" in page.inner_text("#legend")
    assert page.inner_text("#costs-total") == "115.50"
    assert page.input_value("#currency") == "USD"
    assert "from 2024-11-01 to 2024-11-07" in page.inner_text("#costs-note")
    assert "on each of the 7 dates rows, cost and credits equal" in page.inner_text("#proof")
    assert "the oldest by run before" in page.inner_text("#costs-published")
    assert "2024-11-01 are of different runs" in page.inner_text("#costs-apart")
    drawn = page.locator("#days desc").text_content()
    assert drawn.startswith("Cost of 7 days in USD; the largest is 30.00 on 2024-11-07")

    # To the run by Tab and Enter alone.
    page.focus("#date")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.run || ''") == run_id:
            break
    else:
        pytest.fail("Tab does not come to the run")
    page.keyboard.press("Enter")
    wait_for(page, "#failures article")
    assert page.evaluate("document.activeElement.id") == "detail-title"
    assert "1 expectations passed, 0 warned, 1 failed" in page.inner_text("#quality-summary")
    failure = page.inner_text("#failures")
    assert "reconciles" in failure and NASTY in failure
    assert "cost is the export's: does not hold for 2 rows." in failure
    assert "billing_cost_daily by this run" in page.inner_text("#published")
    assert page.inner_text("#detail-title").startswith("Run of 2024-11-01")

    # For those who do not see it: names for all that can be worked, one heading per part.
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, select, meter, progress, [role=region],"
        " svg[role=img]')].filter(e => !(e.getAttribute('aria-label')"
        " || e.getAttribute('aria-labelledby') || (e.labels && e.labels.length)"
        " || e.textContent.trim())).map(e => e.outerHTML)"
    )
    assert unnamed == [] and page.locator("h1").count() == 1
    assert page.get_attribute("html", "lang") == "en"
    assert page.get_attribute("#announcement", "aria-live") == "polite"

    assert page.title() == "Tenant cost", "no text became HTML"
    assert all(address.startswith((url, "data:")) for address in asked), asked
    assert errors == []

    page.click("#leave")
    assert page.is_visible("#login")
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0


def test_the_costs_of_chosen_dates_are_shown(served, browser) -> None:
    scene, url = served
    page = browser
    enter(page, url, scene.key)
    scene.until(scene.post(RUN, WEEK).json()["pipeline_logging_id"], "COMPLETED")
    page.fill("#from", "2024-11-03")
    wait_for(page, "#costs-note:has-text('from 2024-11-03')")
    page.fill("#to", "2024-11-05")
    wait_for(page, "#costs-note:has-text('from 2024-11-03 to 2024-11-05')")
    assert page.locator("#days svg g").count() == 3
    page.fill("#to", "2024-11-02")
    wait_for(page, "#costs-note:has-text('No cost is loaded for these dates')")
    page.fill("#from", "2020-01-01")
    wait_for(page, "#trouble:not([hidden])")
    assert "366 dates" in page.inner_text("#trouble")
    assert page.inner_text("#costs-total") == "" and page.is_hidden("#charts")
    page.click("#leave")


def test_services_beyond_the_largest_are_one_bar(served, browser) -> None:
    """The bars add up to the total, with a service that is mostly credits."""
    scene, url = served
    page = browser
    enter(page, url, scene.key)
    costs = [
        {
            **{"usage_date": "2024-11-01", "service_description": f"S{n:02}", "currency": "USD"},
            **{"charge_rows": 1, "billed_cost": str(cost), "published_at": None},
        }
        for n, cost in enumerate([*range(100, 1400, 100), -50])
    ]
    for count, last in ((12, "S00 100.00"), (13, "2 others 300.00"), (14, "3 others 250.00")):
        page.evaluate("costs => { state.costs = costs; showCosts(); }", costs[:count])
        texts = page.locator("#services svg text").all_text_contents()
        assert len(texts) == 2 * 12 and " ".join(texts[-2:]) == last
        drawn = [float(text.replace(",", "")) for text in texts[1::2]]
        assert sum(drawn) == sum(float(one["billed_cost"]) for one in costs[:count])
        assert page.locator("#services svg rect").count() == 12
    page.click("#leave")


def test_a_run_started_here_is_followed_live(served, browser) -> None:
    scene, url = served
    held = Held(scene.dbt)
    page = browser
    enter(page, url, scene.key)
    page.fill("#date", "2024-11-02")
    page.click("#start button")
    assert held.began.wait(60)
    bar = wait_for(page, "#runs progress[max='4']")
    assert bar.get_attribute("aria-label") == "0 of 4 steps"
    assert "billing_cost_daily" in page.inner_text("#runs")
    held.go.set()
    wait_for(page, "#runs .COMPLETED")
    deadline = time.monotonic() + 20
    while "COMPLETED" not in page.text_content("#announcement"):
        assert time.monotonic() < deadline, "the end is announced to users who do not see it"
        time.sleep(0.1)
    page.click("#leave")


def test_a_refusal_stays_until_something_else_is_done(served, browser) -> None:
    """The next refresh, every few seconds, does not remove it."""
    scene, url = served
    page = browser
    enter(page, url, scene.key)
    scene.control.subscribe(daily_limit=0)
    page.fill("#date", "2024-11-02")
    page.click("#start button")
    wait_for(page, "#trouble:not([hidden])")
    assert "daily limit reached" in page.inner_text("#trouble")
    page.evaluate("refresh()")
    assert "daily limit reached" in page.inner_text("#trouble")
    scene.control.subscribe(daily_limit=25)
    page.click("#start button")
    wait_for(page, "#runs .COMPLETED")
    assert page.is_hidden("#trouble")
    page.click("#leave")


def test_what_scrolls_is_reached_by_keyboard_and_named(served, browser) -> None:
    _, url = served
    browser.goto(url)
    wait_for(browser, "#key:focus")
    unreached = browser.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(e => e.tabIndex !== 0"
        " || !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby'))).length"
    )
    assert unreached == 0


def test_an_answer_about_another_tenant_is_not_shown(served, browser) -> None:
    scene, url = served
    page = browser
    enter(page, url, scene.key)
    scene.control.add_run()
    late = "(async () => { const asked = refresh(); state.tenant = 'globex'; await asked; })()"
    page.evaluate(late)
    assert "No runs yet" in page.inner_text("#runs")
    page.click("#leave")


# As a run leaves it: two expectations of a table, each with a row as an example, one cut off.
WARNING = (
    "gcp_silver_cost: credit_types_are_known found 1 row (Every credit has a known type; one of an"
    ' unknown type is in other_credits), for example {"credits":[{"name":"New; found 2 rows"}]};'
    ' credits_are_not_above_zero found 2 rows (A credit is low), for example {"a":"11:\u2026.'
)
FAILURE = (
    "cost_daily: not published: sums_to failed for 2 rows (the net is the bill's), for example"
    ' {"usage_date":"2024-11-01"}'
)
# Of all that is read: how far its colour is from the paper's, as WCAG 2 counts it.
FAINTEST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => c.map((v) => linear(v / 255)).reduce(
    (sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const paper = light(rgb(getComputedStyle(document.body).backgroundColor));
  const read = [...document.querySelectorAll("h1, h2, p, td, th, label, li, .status, svg text")];
  return Math.min(...read.filter((e) => e.getClientRects().length).map((e) => {
    const style = getComputedStyle(e);
    const ink = light(rgb(e instanceof SVGElement ? style.fill : style.color));
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  }));
}"""


@pytest.mark.parametrize("runs", [0, 1, 500])
def test_the_page_serves_a_desk_and_a_phone_by_day_and_by_night(served, browser, runs) -> None:
    scene, url = served
    began = datetime(2024, 12, 31, 12, tzinfo=UTC)
    ids = [
        scene.control.add_run(("COMPLETED", "FAILED")[n % 2], started=began - timedelta(hours=n))
        for n in range(runs)
    ]
    scene.control.sql(
        "update acme.x_meta_pipeline_runs set row_count = 123456, duration_ms = 84500,"
        " to_date = '2024-10-31', warnings = iif(status = 'COMPLETED', ?, null),"
        " error_message = iif(status = 'FAILED', ?, null)",
        json.dumps([WARNING]),
        FAILURE,
    )
    page = browser
    try:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width in (1200, 390):
                page.set_viewport_size({"width": width, "height": 844})
                enter(page, url, scene.key)
                assert_readable(page, ids, is_narrow=width == 390)
                page.click("#leave")
    finally:
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1200, "height": 1600})


def assert_readable(page: Any, ids: list[str], is_narrow: bool) -> None:
    """Cost first, then runs of two lines; a run that is opened has its heading at the top."""
    top_of = "id => document.getElementById(id).getBoundingClientRect().top"
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(FAINTEST) >= 4.5
    places = [page.evaluate(top_of, name) for name in ("costs-title", "runs-title")]
    assert 0 < places[0] < 400 and places == sorted(places)
    if not ids:
        assert "No runs yet" in page.inner_text("#runs")
        return
    messages = page.locator("#runs .message").all_inner_texts()
    assert messages[0] == "2 warnings: “credit types are known” does not hold for 1 row of" + (
        " gcp_silver_cost"
    )
    assert not any("{" in message for message in messages)
    heights = page.evaluate("[...document.querySelectorAll('#runs tr')].map(e => e.offsetHeight)")
    assert len(heights) == min(len(ids), 20) and max(heights) <= (60 if is_narrow else 110)
    if len(ids) > 20:
        page.click("#more")
        wait_for(page, "#runs tr:nth-child(100)")
    assert page.is_visible("#more") == (len(ids) > 20)
    opened = ids[min(len(ids) - 1, 90)]
    page.click(f"[data-run='{opened}']")
    wait_for(page, "#detail-title:focus")
    assert 0 <= page.evaluate(top_of, "detail-title") < 40
    page.click("#back")
    assert page.evaluate("document.activeElement.dataset.run") == opened
