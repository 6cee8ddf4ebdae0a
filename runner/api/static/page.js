// The page: asks the API that it is served by, and nothing else. Text goes in as text, never as HTML.
"use strict";

const $ = (id) => document.getElementById(id);
const ACTIVE = ["PENDING", "RUNNING"];
const COLOURS = 6;
const PAGE = 20, MOST = 1000;  // runs at first, and at most, as the API has it
const SVG = "http://www.w3.org/2000/svg";
const state = { key: sessionStorage.getItem("key") || "", tenant: "", run: "", costs: [], last: {}, timer: 0, pipelines: {}, isKept: false, limit: PAGE };

class Refused extends Error {
  constructor(status, body, wait) {
    super(body.message || `The service answered ${status}.`);
    this.status = status;
    this.wait = wait;
    this.id = body.request_id || "";
  }
}

async function call(path, options = {}) {
  const headers = { Accept: "application/json" };
  if (state.key) headers["X-API-Key"] = state.key;
  if (options.body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { ...options, headers, credentials: "omit", cache: "no-store" });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, body, Number(answer.headers.get("Retry-After")) || 0);
  return body;
}

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined).map((c) => (c instanceof Node ? c : String(c))));
  return element;
}

function draw(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function announce(text) { $("announcement").textContent = text; }

// `isKept`: a user's action was refused; the message stays until the next action.
function trouble(error, isKept = false) {
  if (!error && state.isKept && !isKept) return;
  state.isKept = Boolean(error) && isKept;
  $("trouble").hidden = !error;
  if (!error) return;
  $("trouble").textContent = error.message + (error.id ? ` (request ${error.id})` : "");
  if (error.status === 401) leave();
}

const timestamp = (text) => (text ? text.replace("T", " ").slice(0, 19) : "");
const dates = (run) => (run.to_date && run.to_date !== run.run_date ? `${run.run_date} to ${run.to_date}` : run.run_date || "");
const count = (n) => (n === null || n === undefined ? "" : Number(n).toLocaleString("en"));
const status = (text) => make("span", { class: `status ${text}` }, text);
const money = (n) => n.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

// -- What is shown

function showQuota(quota) {
  $("quota").replaceChildren(...quota.limits.map((one) => {
    const label = `${one.remaining} of ${one.limit} left (${one.name}${one.resets_at ? `, resets ${timestamp(one.resets_at).slice(0, 16)} UTC` : ", freed when a run ends"})`;
    return make("li", {}, make("span", {}, label),
      make("meter", { min: 0, max: Math.max(one.limit, 1), value: one.used, "aria-label": `${one.name}: ${one.used} of ${one.limit} used` }));
  }));
}

// What people need of a run in one line: how far it is, else its error, else how often it warned.
function lineOf(run) {
  if (run.status === "PENDING") return "waits";
  if (run.status === "RUNNING") return progressOf(run);
  if (run.error_message) return parts(run.error_message).map(readable).join("; ");
  const warnings = (run.warnings || []).flatMap(parts).map(readable);
  return warnings.length ? `${warnings.length} warning${warnings.length > 1 ? "s" : ""}: ${warnings[0]}` : "";
}

// A message may join several expectations of a table. The failing row, as JSON, is left out of a line.
const parts = (text) => text.replace(/, for example \{.*?(?:\}|…)(?=[.;]|$)/gs, "").split(/; (?=\w+ (?:found|failed|warned)\b)/);
const FAILURE = /(?:(\w+): )?(\w+) (?:found|failed for|warned|failed)(?: ([\d,]+ rows?))?(?: \(.*\))?\.?$/s;
const words = (name) => `“${name.replaceAll("_", " ")}”`;
const readable = (text) => text.replace(FAILURE, (all, table, name, rows) =>
  (name.includes("_") ? `${words(name)} does not hold${rows ? ` for ${rows}` : ""}${table ? ` of ${table}` : ""}` : all));

function progressOf(run) {
  const at = run.progress;
  if (!at || !at.total) return make("progress", { "aria-label": "starting" });
  return make("span", {}, make("progress", { max: at.total, value: at.done, "aria-label": `${at.done} of ${at.total} steps` }), ` ${at.done}/${at.total} ${at.at_work}`);
}

function showRuns(runs) {
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.run : "";
  for (const run of runs) {
    const before = state.last[run.pipeline_logging_id];
    if (before && before !== run.status) announce(`Run of ${dates(run)} is ${run.status}.`);
    if (before && ACTIVE.includes(before) && !ACTIVE.includes(run.status)) {
      loadCosts();
      if (run.pipeline_logging_id === state.run) showRun(false);
    }
    state.last[run.pipeline_logging_id] = run.status;
  }
  const cell = (name, ...children) => make("td", { role: "cell", class: name }, ...children);
  $("runs").replaceChildren(...runs.map((run) => make("tr", { role: "row", "aria-current": String(run.pipeline_logging_id === state.run) },
    cell("dates", make("button", {
      type: "button", "data-run": run.pipeline_logging_id, "aria-label": `Show the run of ${dates(run)}, ${run.status}`,
      onclick: () => { state.run = run.pipeline_logging_id; showRun(true); },
    }, dates(run))),
    cell("", status(run.status)),
    cell("message", lineOf(run)),
    cell("number", count(run.row_count)),
    cell("number", run.duration_ms === null ? "" : (run.duration_ms / 1000).toFixed(1)),
    cell("when", timestamp(run.start_time).slice(0, 16)),
    cell("", run.trigger_by || ""))));
  if (!runs.length) $("runs").replaceChildren(make("tr", { role: "row" }, make("td", { role: "cell", colspan: 7 }, "No runs yet: choose a date above.")));
  $("more").hidden = runs.length < state.limit || state.limit >= MOST;
  if (focused) {
    const again = [...document.querySelectorAll("[data-run]")].find((one) => one.dataset.run === focused);
    if (again) again.focus();
  }
}

async function showRun(byHand) {
  const id = state.run;
  if (!id) return;
  try {
    const [run, steps] = await Promise.all([call(`/api/v1/pipelines/runs/${id}`), call(`/api/v1/pipelines/runs/${id}/steps`)]);
    const quality = ACTIVE.includes(run.status) ? [] : await call(`/api/v1/pipelines/runs/${id}/dq-results`);
    if (id !== state.run) return;
    $("detail").hidden = false;
    $("detail-title").textContent = `Run of ${dates(run)}: ${run.status}`;
    $("detail-about").textContent = id;
    $("detail-messages").replaceChildren(...[run.error_message, ...run.warnings].filter(Boolean).flatMap(parts)
      .filter((text) => text === run.error_message || !FAILURE.test(text)).map((text) => make("li", {}, text)));
    $("cancel").hidden = !ACTIVE.includes(run.status);
    $("steps").replaceChildren(...steps.map((step) => make("tr", {},
      make("td", {}, step.step_name), make("td", {}, step.step_type), make("td", {}, status(step.status)),
      make("td", { class: "number" }, count(step.row_count)), make("td", { class: "number" }, count(step.duration_ms)),
      make("td", {}, [step.error_message, ...step.warnings].filter(Boolean).flatMap(parts).map(readable).join("; ")))));
    showPublished(run);
    showQuality(run, quality);
    for (const row of document.querySelectorAll("#runs tr")) {
      const button = row.querySelector("[data-run]");
      row.setAttribute("aria-current", String(Boolean(button) && button.dataset.run === id));
    }
    if (byHand) {
      // Focus would scroll to where the browser likes; the heading is to be at the top.
      $("detail-title").focus({ preventScroll: true });
      $("detail-title").scrollIntoView();
    }
    trouble(null, byHand);
  } catch (error) { if (id === state.run) trouble(error); }
}

function showPublished(run) {
  const by = (one) => `${one.tables.length === 1 ? one.tables[0] : `${one.tables.length} tables`} by ${one.pipeline_logging_id === run.pipeline_logging_id ? "this run" : `run ${one.pipeline_logging_id}`}`;
  $("published").replaceChildren(...(run.published_dates || []).map((one) => make("li", {},
    `Published of ${dates({ run_date: one.from_date, to_date: one.to_date })}: ${one.runs.map(by).join(", ")}.`,
    one.layers_agree ? null : ` Older than what they read: ${one.behind.join(", ")}.`)));
}

function showQuality(run, quality) {
  const sum = (name) => quality.reduce((all, one) => all + (one[name] || 0), 0);
  const failed = quality.flatMap((one) => one.failed_expectations.map((each) => ({ ...each, table: one.table })));
  const of = (...names) => failed.filter((one) => names.includes(one.status)).length;
  $("quality-summary").textContent = quality.length
    ? `${sum("expectations_passed")} expectations passed, ${of("warn")} warned, ${of("fail", "error")} failed.`
    : ACTIVE.includes(run.status) ? "Expectations are checked as tables are built." : "This run has no results.";
  $("failures").replaceChildren(...failed.map((one) => make("article", {},
    make("h4", {}, status(one.status === "warn" ? "WARNING" : "FAIL"), ` ${one.table || ""}: ${words(one.expectation)}`),
    make("p", {}, one.status === "error" ? one.sentence : `${(one.description || words(one.expectation)).trim().replace(/\.$/, "")}: does not hold${one.failing_rows === null ? "" : ` for ${count(one.failing_rows)} row${one.failing_rows === 1 ? "" : "s"}`}.`),
    one.samples.length ? make("details", one.status === "warn" ? {} : { open: "" }, make("summary", {}, one.samples.length === one.failing_rows ? "The rows" : `${one.samples.length} of the rows`),
      make("ul", {}, ...one.samples.map((row) => make("li", {}, make("code", {}, row))))) : null)));
  $("quality").replaceChildren(...quality.map((one) => make("tr", {},
    make("td", {}, one.table), make("td", {}, one.severity), make("td", {}, status(one.status)),
    make("td", { class: "number" }, count(one.expectations_passed)), make("td", { class: "number" }, count(one.expectations_failed)),
    make("td", { class: "number" }, count(one.failed_rows)))));
}

// -- Costs: shown as numbers of two decimals; the exact ones are the API's

function showCosts() {
  const charges = new Map();
  for (const row of state.costs) charges.set(row.currency, (charges.get(row.currency) || 0) + row.charge_rows);
  const currencies = [...charges.keys()].sort((a, b) => charges.get(b) - charges.get(a));
  const chosen = currencies.includes($("currency").value) ? $("currency").value : currencies[0];
  $("currency").replaceChildren(...currencies.map((name) => make("option", { value: name }, name)));
  if (chosen) $("currency").value = chosen;
  const rows = state.costs.filter((row) => row.currency === chosen).map((row) => ({
    day: row.usage_date, service: row.service_description || row.service_id || "(none)", cost: Number(row.billed_cost) }));
  const sum = (key) => {
    const totals = new Map();
    for (const row of rows) totals.set(row[key], (totals.get(row[key]) || 0) + row.cost);
    return totals;
  };
  const services = [...sum("service")].sort((a, b) => b[1] - a[1]);
  const colour = new Map(services.map(([name], n) => [name, Math.min(n, COLOURS)]));
  const days = [...sum("day")].sort();
  const total = rows.reduce((all, row) => all + row.cost, 0);
  $("costs-total").textContent = rows.length ? money(total) : "";
  $("currency").hidden = $("charts").hidden = !rows.length;
  $("costs-note").textContent = rows.length ? `from ${days[0][0]} to ${days.at(-1)[0]}` :
    $("from").value || $("to").value ? "No cost is loaded for these dates." : "No cost is loaded yet: run a date below.";
  const published = new Map(state.costs.filter((row) => row.published_at).map((row) => [row.usage_date, row]));
  showProof(published.size, new Set(state.costs.map((row) => row.usage_date)).size);
  const oldest = [...published.values()].reduce((a, b) => (a && a.published_at <= b.published_at ? a : b), null);
  $("costs-published").textContent = oldest ? `Published ${timestamp(oldest.published_at)} UTC or later, the oldest by run ${oldest.pipeline_logging_id}.` : "";
  const apart = [...published.values()].filter((row) => !row.layers_agree).map((row) => row.usage_date).sort();
  $("costs-apart").hidden = !apart.length;
  $("costs-apart").textContent = `The tables of ${apart.join(", ")} are of different runs: the next catch-up runs these dates again.`;
  $("days").replaceChildren(...(rows.length ? [dayChart(rows, days, colour, chosen)] : []));
  $("services").replaceChildren(...(rows.length ? [serviceChart(services, colour, chosen)] : []));
  const swatch = (n) => draw("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, draw("rect", { width: 10, height: 10, class: `c${n}` }));
  $("legend").replaceChildren(...services.slice(0, COLOURS).map(([name], n) => make("li", {}, swatch(n), name)),
    ...(services.length > COLOURS ? [make("li", {}, swatch(COLOURS), "others")] : []));
  $("costs").replaceChildren(...services.map(([name, cost]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "number" }, money(cost)))));
  $("costs-days").replaceChildren(...days.map(([day, cost]) => make("tr", {}, make("th", { scope: "row" }, day), make("td", { class: "number" }, money(cost)),
    make("td", {}, published.has(day) ? timestamp(published.get(day).published_at) : ""), make("td", {}, published.has(day) ? published.get(day).pipeline_logging_id : ""))));
}

// A date is published in one transaction with the check of its rows against the export's.
function showProof(proved, all) {
  $("proof").className = proved < all ? "warning" : "proof";
  $("proof").textContent = !all ? "" : proved < all
    ? `${all - proved} of ${all} dates have no record of their proof: run them again.`
    : `✓ Reconciled: on each of the ${all} dates rows, cost and credits equal the export's, to the last nano.`;
}

// As wide as the page, so that text keeps its size on a phone.
const chartWidth = () => Math.min(1100, Math.max(300, $("costs-title").clientWidth || 900));

function dayChart(rows, days, colour, currency) {
  const width = chartWidth(), height = 240, left = 70, bottom = 24, top = 12;
  const parts = new Map(days.map(([day]) => [day, new Map()]));
  for (const row of rows) {
    const of = parts.get(row.day), n = colour.get(row.service);
    of.set(n, (of.get(n) || 0) + row.cost);
  }
  const ends = [...parts.values()].map((of) => [...of.values()].reduce(([down, up], v) => (v < 0 ? [down + v, up] : [down, up + v]), [0, 0]));
  const low = Math.min(0, ...ends.map((e) => e[0])), high = Math.max(0, ...ends.map((e) => e[1])) || 1;
  const y = (value) => top + (height - top - bottom) * (high - value) / (high - low);
  const step = (width - left) / days.length;
  const largest = days.reduce((a, b) => (b[1] > a[1] ? b : a));
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": "days-title days-description" },
    draw("desc", { id: "days-description" }, `Cost of ${days.length} days in ${currency}; the largest is ${money(largest[1])} on ${largest[0]}. The numbers are in the table below.`));
  for (const value of low < 0 ? [high, 0, low] : [high, high / 2, 0]) {
    svg.append(draw("line", { x1: left, x2: width, y1: y(value), y2: y(value), class: "axis" }),
      draw("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end", class: "faint" }, money(value)));
  }
  days.forEach(([day, total], n) => {
    let up = 0, down = 0;
    const bar = draw("g", {}, draw("title", {}, `${day}: ${money(total)} ${currency}`));
    for (const [key, value] of [...parts.get(day)].sort((a, b) => a[0] - b[0])) {
      const from = value < 0 ? down : up;
      if (value < 0) down += value; else up += value;
      bar.append(draw("rect", { x: left + n * step + step * 0.1, width: step * 0.8, y: Math.min(y(from), y(from + value)),
        height: Math.abs(y(from) - y(from + value)), class: `c${key}` }));
    }
    svg.append(bar);
    if (n % Math.ceil(days.length * 48 / (width - left)) === 0) svg.append(draw("text", { x: Math.min(left + n * step + step / 2, width - 18), y: height - 6, "text-anchor": "middle", class: "faint" }, day.slice(5)));
  });
  return svg;
}

function serviceChart(services, colour, currency) {
  const few = services.length > 12 ? services.slice(0, 11) : services, rest = services.slice(few.length), row = 24, width = chartWidth(), label = Math.min(260, width * 0.42), characters = Math.floor(label / 7);
  const shown = rest.length ? [...few, [`${rest.length} others`, rest.reduce((all, [, cost]) => all + cost, 0)]] : few;
  const most = Math.max(...shown.map(([, cost]) => Math.abs(cost))) || 1;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${row * shown.length}`, role: "img", "aria-labelledby": "services-title services-description" },
    draw("desc", { id: "services-description" }, `The ${few.length} largest services in ${currency}${rest.length ? ", and the others as one" : ""}: ${shown.slice(0, 3).map(([name, cost]) => `${name} ${money(cost)}`).join(", ")}. All are in the table below.`));
  shown.forEach(([name, cost], n) => {
    const length = (width - label - 90) * Math.abs(cost) / most;
    svg.append(draw("text", { x: label - 8, y: n * row + 16, "text-anchor": "end" }, name.length > characters ? `${name.slice(0, characters - 1)}…` : name),
      draw("rect", { x: label, y: n * row + 4, width: Math.max(length, 1), height: row - 8, class: `c${colour.get(name) ?? COLOURS}` }),
      draw("text", { x: label + Math.max(length, 1) + 6, y: n * row + 16, class: "faint" }, money(cost)));
  });
  return svg;
}

async function loadCosts() {
  const tenant = state.tenant, asked = new URLSearchParams();
  for (const name of ["from", "to"]) if ($(name).value) asked.set(`${name}_date`, $(name).value);
  const mine = state.asked = `${tenant}?${asked}`;
  try {
    const costs = await call(`/api/v1/tenants/${encodeURIComponent(tenant)}/costs?${asked}`);
    if (mine !== state.asked) return;  // others were asked for meanwhile
    state.costs = costs;
    showCosts();
  } catch (error) {
    // While a run loads, its file is taken: the numbers of before stay, and are asked for again.
    if (mine !== state.asked) return;
    if (error.status === 503) $("costs-note").textContent = "A run is building the tables: the costs are shown after its end.";
    if (error.status === 503) return setTimeout(() => { if (mine === state.asked) loadCosts(); }, (error.wait || 5) * 1000);
    if (error.status === 422) { state.costs = []; showCosts(); }  // not the costs of other dates
    trouble(error);
  }
}

// -- What happens

async function refresh() {
  clearTimeout(state.timer);
  let pause = 30;
  const tenant = state.tenant;
  try {
    const named = encodeURIComponent(tenant);
    const [runs, quota] = await Promise.all([
      call(`/api/v1/pipelines/runs?limit=${state.limit}&tenant_id=${named}`), call(`/api/v1/tenants/${named}/quota`)]);
    if (tenant !== state.tenant) return;  // another was chosen meanwhile, and has a timer of its own
    showRuns(runs);
    showQuota(quota);
    if (runs.some((run) => ACTIVE.includes(run.status))) pause = 8;
    const mine = runs.find((run) => run.pipeline_logging_id === state.run);
    if (mine) {
      $("detail-title").textContent = `Run of ${dates(mine)}: ${mine.status}`;
      $("cancel").hidden = !ACTIVE.includes(mine.status);
    }
    trouble(null);
  } catch (error) {
    if (tenant !== state.tenant) return;
    if (!state.isKept || error.status === 401) trouble(error);
    if (error.status === 401) return;
    pause = Math.max(error.wait || 0, 10);
  }
  clearTimeout(state.timer);
  state.timer = setTimeout(refresh, (document.hidden ? Math.max(pause, 30) : pause) * 1000);
}

async function enter() {
  const isFirst = !state.key;
  try {
    const tenants = await call("/api/v1/tenants");
    if (state.key) sessionStorage.setItem("key", state.key);
    $("login").hidden = true;
    $("main").hidden = false;
    $("leave").hidden = !state.key;
    state.pipelines = Object.fromEntries(tenants.map((one) => [one.tenant_id, one.pipeline]));
    $("tenant").replaceChildren(...tenants.map((one) => make("option", { value: one.tenant_id }, one.company_name ? `${one.tenant_id} (${one.company_name})` : one.tenant_id)));
    if (!tenants.length) { trouble(new Error("There is no tenant yet: add one with `runner tenant add`.")); return; }
    trouble(null);
    choose();
  } catch (error) {
    trouble(error);
    if (isFirst) { $("login").hidden = false; $("trouble").hidden = error.status === 401; }
  }
}

function choose() {
  state.tenant = $("tenant").value;
  state.run = "";
  state.limit = PAGE;
  state.last = {};
  state.costs = [];
  trouble(null, true);
  $("detail").hidden = true;
  $("runs").replaceChildren();
  $("quota").replaceChildren();
  $("from").value = $("to").value = "";
  showCosts();
  refresh();
  loadCosts();
}

function leave() {
  clearTimeout(state.timer);
  state.key = "";
  state.tenant = "";
  sessionStorage.removeItem("key");
  $("main").hidden = true;
  $("login").hidden = false;
  $("key").value = "";
  $("key").focus();
}

$("login").addEventListener("submit", (event) => { event.preventDefault(); state.key = $("key").value.trim(); enter(); });
$("leave").addEventListener("click", () => { leave(); trouble(null, true); });
$("tenant").addEventListener("change", choose);
$("currency").addEventListener("change", showCosts);
for (const name of ["from", "to"]) $(name).addEventListener("change", () => { trouble(null, true); loadCosts(); });
addEventListener("resize", () => { clearTimeout(state.resized); state.resized = setTimeout(showCosts, 200); });
$("more").addEventListener("click", () => { state.limit = Math.min(MOST, state.limit * 5); refresh(); });
$("back").addEventListener("click", () => {
  const button = [...document.querySelectorAll("[data-run]")].find((one) => one.dataset.run === state.run);
  (button || $("runs-title")).focus();
});
$("start").addEventListener("submit", async (event) => {
  event.preventDefault();
  const tenant = state.tenant;
  const pipeline = (state.pipelines[tenant] || "gcp/cost/cost_billing").split("/").map(encodeURIComponent).join("/");
  try {
    const started = await call(`/api/v1/pipelines/run/${encodeURIComponent(tenant)}/${pipeline}`,
      { method: "POST", body: JSON.stringify({ date: $("date").value, trigger_by: "page" }) });
    announce(started.message);
    trouble(null, true);
    if (tenant !== state.tenant) return;
    state.run = started.pipeline_logging_id;
    await refresh();
    showRun(false);
  } catch (error) { trouble(error, true); }
});
$("cancel").addEventListener("click", async () => {
  try { await call(`/api/v1/pipelines/runs/${state.run}/cancel`, { method: "POST" }); announce("The run is cancelled."); trouble(null, true); await refresh(); showRun(false); } catch (error) { trouble(error, true); }
});

(async () => {
  try {
    const health = await fetch("/health").then((answer) => answer.json());
    $("service").textContent = `${health.service} ${health.version}, ${health.environment}, target ${health.target}`;
    $("open").hidden = health.auth !== "disabled";
    if (health.auth === "disabled" || state.key) await enter();
    else { $("login").hidden = false; $("key").focus(); }
  } catch (error) { trouble(new Error("The service does not answer: check that it is running.")); }
})();
