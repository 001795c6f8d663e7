// State, lag, throughput, positions and slot.

import { byId, drawn, element, Entries, write } from "./dom.js";
import { age, bytes, count, counted, lsn, rate, seconds, text } from "./format.js";
import { Plot } from "./plot.js";

const TONES = { streaming: "good", standby: "warn", connecting: "warn" };
const POSITIONS = ["confirmed", "checkpointed", "produced", "received"];
const TRACK = { width: 1000, height: 20, margin: 12 };

const lagSeconds = new Plot("Lag in seconds", seconds);
const lagBytes = new Plot("Lag in bytes", bytes);
const changes = new Plot("Changes per second", rate);
const figures = list("figures");
const slot = list("slot");
const track = drawn("svg", {
  viewBox: `0 0 ${TRACK.width} ${TRACK.height}`,
  role: "img",
  "aria-label": "Positions in WAL",
});
const positions = element("dl");
const positionList = entries(positions);

/** Puts the parts that stay into the page. */
export function prepare() {
  byId("plots").append(lagSeconds.root, lagBytes.root, changes.root);
  byId("positions").append(track, positions);
}

/** Shows a report of `/api/v1/overview`. */
export function show(report) {
  document.title = `${report.name}: ${report.state} · walcast`;
  write(byId("name"), report.name);
  const state = byId("state");
  write(state, report.state);
  state.className = `badge ${TONES[report.state] ?? "bad"}`;
  write(byId("role"), roleText(report.role));
  showFigures(report);
  showPlots(report.plot);
  showPositions(report.lsn);
  showSlot(report);
}

function roleText(role) {
  const since = role.since ? `, since ${age(role.since)}` : "";
  return role.is === "none" ? "no role yet" : `${role.is}${since.replace(" ago", "")}`;
}

function showFigures({ lag, throughput, totals, uptime_seconds, version, last_error, role }) {
  figures.show([
    ["lag-seconds", "Lag", seconds(lag.seconds), `${bytes(lag.bytes)} of WAL`],
    ["changes", "Changes", rate(throughput?.changes_per_second), `${count(totals.changes)} in total`],
    ["transactions", "Transactions", rate(throughput?.transactions_per_second), `${count(totals.transactions)} in total`],
    ["produced", "To Kafka", bytesPerSecond(throughput?.produced_bytes_per_second), null],
    ["dead-letters", "Dead letters", count(totals.dead_letters), "since the start"],
    ["reconnects", "Reconnects", count(totals.reconnects), counted(role.takeovers, "takeover")],
    ["uptime", "Running for", seconds(uptime_seconds), `version ${version}`],
    ["last-error", "Last error", last_error ? age(last_error.at) : "none", last_error?.text],
  ]);
}

function bytesPerSecond(value) {
  return typeof value === "number" ? `${bytes(value)}/s` : "–";
}

function showPlots({ interval_seconds, samples }) {
  const of = (key) => samples.map((sample) => ({ at: Date.parse(sample.time) / 1000, value: sample[key] }));
  lagSeconds.show(of("lag_seconds"), interval_seconds);
  lagBytes.show(of("lag_bytes"), interval_seconds);
  changes.show(of("changes_per_second"), interval_seconds);
}

/** The four positions on one line, and the end of the server's WAL at its right end. */
function showPositions(known) {
  const end = lsn(known.server);
  const behind = (position) => (end === null || position === null ? null : Number(end - position));
  const distances = POSITIONS.map((name) => [name, known[name], behind(lsn(known[name]))]);
  const span = distances.reduce((most, [, , distance]) => Math.max(most, distance ?? 0), 1);
  const right = TRACK.width - TRACK.margin;
  const place = (distance) => right - (right - TRACK.margin) * Math.min(1, Math.max(0, distance / span));
  const middle = TRACK.height / 2;
  const marks = distances
    .filter(([, , distance]) => distance !== null)
    .map(([name, , distance]) =>
      drawn("circle", { class: "mark", cx: place(distance), cy: middle, r: 7 }, drawn("title", {}, name)),
    );
  const rule = drawn("line", { class: "track", x1: TRACK.margin, x2: right, y1: middle, y2: middle });
  const mark = drawn("rect", { class: "mark end", x: right - 3, y: 1, width: 6, height: TRACK.height - 2 });
  track.replaceChildren(rule, ...marks, ...(end === null ? [] : [mark]));
  const far = (distance) => (distance === null ? null : distance <= 0 ? "at the end" : `${bytes(distance)} behind`);
  const rows = distances.map(([name, value, distance]) => [name, name, text(value), far(distance)]);
  positionList.show([...rows, ["server", "end of WAL", text(known.server), null]]);
  const spoken = distances.map(([name, value, distance]) => `${name} ${value ?? "unknown"} ${far(distance) ?? ""}`);
  track.setAttribute("aria-label", `Positions in WAL: ${spoken.join(", ")}, end of WAL ${known.server ?? "unknown"}`);
}

function showSlot({ slot: name, slot_health: health, nearest_limit: nearest }) {
  const rows = [["name", "Slot", name, health ? `WAL ${text(health.wal_status)}` : "not sampled on this instance"]];
  if (health) {
    const written = `${bytesPerSecond(health.written_bytes_per_second)} written`;
    rows.push(
      ["retained", "Retained WAL", bytes(health.retained_bytes), written],
      ["by", "Retained by", text(health.retained_by ?? "the connector alone"), health.remedy],
    );
  }
  if (nearest) {
    rows.push(
      ["time", "Time to the limit", seconds(nearest.time_to_limit_seconds), limitNote(nearest)],
      ["outage", "Outage budget", seconds(nearest.outage_budget_seconds), "if nothing is confirmed from now on"],
    );
  } else if (health) {
    rows.push(["time", "Time to the limit", "no limit", "the server keeps WAL until its disk is full"]);
  }
  slot.show(rows);
}

function limitNote({ limit, headroom_bytes, time_to_limit_seconds }) {
  const room = typeof headroom_bytes === "number" ? `, ${bytes(headroom_bytes)} free` : "";
  return `${limit}${room}${time_to_limit_seconds === null ? "; not approached" : ""}`;
}

function list(id) {
  return entries(byId(id));
}

/** Rows `[key, title, value, note]` of a description list. */
function entries(parent) {
  const make = ([key, title]) =>
    element("div", { "data-figure": key }, element("dt", {}, title), element("dd", {}, element("span"), element("small")));
  const update = (entry, [, , value, note]) => {
    const [shown, small] = entry.lastElementChild.children;
    write(shown, value);
    write(small, note);
  };
  const kept = new Entries(parent, make, update);
  return { show: (rows) => kept.show(rows, ([key]) => key) };
}
