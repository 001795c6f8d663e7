// What is abnormal, before everything else on the page.

import { byId, element, Entries, write } from "./dom.js";
import { bytes, seconds } from "./format.js";

const RANKS = { bad: 0, warn: 1 };

/** Findings of `/api/v1/overview`. */
export function ofOverview(report) {
  const findings = [];
  const add = (tone, title, text, key = title) => findings.push({ tone, title, text, key });
  if (!report.ready) {
    const tone = report.state === "standby" || report.state === "connecting" ? "warn" : "bad";
    add(tone, `Changes do not flow: ${report.state}`, report.reason);
  } else if (report.last_error?.is_current) {
    add("bad", "Error", report.last_error.text);
  }
  for (const { transaction, remedy } of report.waits_for) {
    add("warn", `The slot waits for ${transaction}`, remedy);
  }
  const holder = report.role.blocked_by;
  if (holder) {
    add("bad", `${holder.application_name || holder.role} holds the leader lock`, holder.remedy);
  }
  const health = report.slot_health;
  if (health?.wal_status === "lost" || health?.wal_status === "unreserved") {
    add("bad", `The WAL of the slot is ${health.wal_status}`, health.remedy);
  }
  for (const limit of (health?.limits ?? []).filter(({ at_risk }) => at_risk)) {
    const left = limit.time_to_limit_seconds;
    const when = left === null ? `${bytes(limit.headroom_bytes)} free` : `in ${seconds(left)}`;
    const remedy = [health.retained_by, health.remedy].filter(Boolean).join("; ");
    add("bad", `The slot reaches ${limit.limit} ${when}`, remedy, `limit ${limit.limit}`);
  }
  if (health?.awaited_standbys.length > 0) {
    const names = health.awaited_standbys.join(", ");
    add("warn", "The server sends no changes until standbys have them", `No standby uses: ${names}`);
  }
  return findings;
}

/** What stays the same while the numbers in a title change. */
const keyOf = ({ key, title }) => key ?? title;

/** The list; the most severe first. Returns the titles of findings that were not shown before. */
export function list() {
  const section = byId("attention");
  const make = () => element("li", {}, element("strong"), element("span"));
  const update = (entry, { tone, title, text }) => {
    entry.className = tone;
    write(entry.firstElementChild, title);
    write(entry.lastElementChild, text);
  };
  const entries = new Entries(section.querySelector("ul"), make, update);
  let known = new Set();
  return (findings) => {
    const sorted = findings.toSorted((a, b) => RANKS[a.tone] - RANKS[b.tone]);
    entries.show(sorted, keyOf);
    section.hidden = sorted.length === 0;
    const added = sorted.filter((finding) => !known.has(keyOf(finding)));
    known = new Set(sorted.map(keyOf));
    return added.map(({ title }) => title);
  };
}
