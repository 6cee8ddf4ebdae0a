"""The page, in a real browser: what it shows, by keyboard alone, with nothing from elsewhere."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
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
    page, asked, said = browser, [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(url)

    # A wrong key first, then ours: typed, entered, never in the address.
    wait_for(page, "#key:focus")
    page.keyboard.type("gtc_wrong")
    page.keyboard.press("Enter")
    wait_for(page, "#trouble:not([hidden])")
    assert "X-API-Key" in page.inner_text("#trouble")
    assert said and all("401" in line for line in said), said
    said.clear()
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
    assert "115.50 USD from 2024-11-01 to 2024-11-07" in page.inner_text("#costs-note")
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
    assert page.evaluate("document.activeElement.id") == "detail"
    assert "1 expectations held, 0 warned, 1 failed" in page.inner_text("#quality-summary")
    failure = page.inner_text("#failures")
    assert "reconciles" in failure and NASTY in failure and "2 rows" in failure
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
    assert page.get_attribute("#said", "aria-live") == "polite"

    assert page.title() == "Tenant cost", "no text became HTML"
    assert all(address.startswith((url, "data:")) for address in asked), asked
    assert said == []

    page.click("#leave")
    assert page.is_visible("#login")
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0


def test_a_run_started_here_is_followed_live(served, browser) -> None:
    scene, url = served
    held = Held(scene.dbt)
    page = browser
    page.goto(url)
    wait_for(page, "#key:focus")
    page.fill("#key", scene.key)
    page.keyboard.press("Enter")
    wait_for(page, "#runs td")
    page.fill("#date", "2024-11-02")
    page.click("#start button")
    assert held.began.wait(60)
    bar = wait_for(page, "#runs progress[max='4']")
    assert bar.get_attribute("aria-label") == "0 of 4 steps"
    assert "billing_cost_daily" in page.inner_text("#runs")
    held.go.set()
    wait_for(page, "#runs .COMPLETED")
    deadline = time.monotonic() + 20
    while "COMPLETED" not in page.text_content("#said"):
        assert time.monotonic() < deadline, "the end is said to who does not see it"
        time.sleep(0.1)
    page.click("#leave")


def test_a_refusal_stays_until_something_else_is_done(served, browser) -> None:
    """The look that follows, every few seconds, does not wipe it away."""
    scene, url = served
    page = browser
    page.goto(url)
    wait_for(page, "#key:focus")
    page.fill("#key", scene.key)
    page.keyboard.press("Enter")
    wait_for(page, "#runs td")
    scene.control.subscribe(daily_limit=0)
    page.fill("#date", "2024-11-02")
    page.click("#start button")
    wait_for(page, "#trouble:not([hidden])")
    assert "daily limit reached" in page.inner_text("#trouble")
    page.evaluate("look()")
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
    page.goto(url)
    wait_for(page, "#key:focus")
    page.fill("#key", scene.key)
    page.keyboard.press("Enter")
    wait_for(page, "#runs td")
    scene.control.add_run()
    late = "(async () => { const asked = look(); state.tenant = 'globex'; await asked; })()"
    page.evaluate(late)
    assert "No runs yet" in page.inner_text("#runs")
    page.click("#leave")
