// Captured tables: those that need attention first, as the connector sorts them.

import { button, commandSnapshot, readRows, resumeTable } from "./actions.js";
import { element, KEPT, write } from "./dom.js";
import { age, bytes, count, percent, rate, seconds } from "./format.js";

const TONES = { streaming: "good", captured: "good", reading: "good", waiting_for_sql: "warn", quarantined: "bad" };

function state({ state: word, finding }, cell) {
  if (cell.firstElementChild === null) {
    cell.append(element("span"), element("small"));
  }
  const [badge, note] = cell.children;
  badge.className = `badge ${TONES[word] ?? "warn"}`;
  write(badge, word.replaceAll("_", " "));
  write(note, finding);
  return KEPT;
}

function snapshot({ table, snapshot: reading }, cell) {
  if (reading === null) {
    return "";
  }
  if (cell.firstElementChild === null) {
    cell.replaceChildren(element("progress", { max: 100, "aria-label": `Rows of ${table} that are read` }), element("small"));
  }
  const [bar, note] = cell.children;
  if (reading.percent === null) {
    bar.removeAttribute("value");
  } else {
    bar.value = reading.percent;
  }
  write(note, `${percent(reading.percent)}, ${count(reading.rows_read)} rows, ${bytes(reading.bytes_remaining)} left`);
  return KEPT;
}

function schema({ schema: known }, cell) {
  if (known === null) {
    return "";
  }
  if (cell.firstElementChild === null) {
    cell.replaceChildren(element("span"), element("small"));
  }
  write(cell.children[0], known.value_schema_id === null ? "" : `ID ${known.value_schema_id}`);
  write(cell.children[1], known.value_subject ?? known.topic);
  return KEPT;
}

function actions(row, cell) {
  const wanted = row.commands.resume ? "resume" : "snapshot";
  if (cell.dataset.action === wanted) {
    return KEPT;
  }
  cell.dataset.action = wanted;
  const { table, pattern, commands } = row;
  const read = () => button("Read rows", () => readRows(pattern), `Read rows of ${table}`);
  const resume = () => button("Resume", () => resumeTable(pattern, commands.resume), `Resume ${table}`);
  cell.replaceChildren(wanted === "resume" ? resume() : read());
  return KEPT;
}

function summary({ tables, snapshot: reading }) {
  const parts = [`${count(tables.length)} captured`];
  if (reading.state !== "none") {
    const left = reading.seconds_remaining === null ? "" : `, ${seconds(reading.seconds_remaining)} left`;
    parts.push(`existing rows: ${reading.state}, ${rate(reading.rows_per_second)}${left}`);
  }
  return parts.join(" · ");
}

export const tables = {
  id: "tables",
  title: "Tables",
  path: "/api/v1/tables",
  open: true,
  every: 2000,
  watched: true,
  empty: "No table is captured yet.",
  rows: (answer) => answer.tables,
  key: (row) => row.pattern,
  note: summary,
  attention: (answer) =>
    answer.tables
      .filter(({ finding }) => finding !== null)
      .map(({ table, state: word, finding }) => ({
        tone: word === "quarantined" ? "bad" : "warn",
        title: `${table}: ${word.replaceAll("_", " ")}`,
        text: finding,
      })),
  buttons: [
    button("Read rows…", () => readRows("")),
    button("Pause reading", () =>
      commandSnapshot("pause", "Pause reading", "Pauses reading existing rows; changes are still streamed."),
    ),
    button("Resume reading", () => commandSnapshot("resume", "Resume reading", "Resumes reading existing rows.")),
    button("Stop reading", () =>
      commandSnapshot("stop", "Stop reading", "Stops reading existing rows of all tables: rows that remain are not read."),
    ),
  ],
  columns: [
    { title: "Table", cell: (row) => row.table },
    { title: "State", cell: state },
    { title: "Rate", cell: (row) => rate(row.changes_per_second), numeric: true },
    { title: "Changes", cell: (row) => count(row.changes_total), numeric: true },
    { title: "Last change", cell: (row) => age(row.last_change) },
    { title: "Existing rows", cell: snapshot },
    { title: "Schema", cell: schema },
    { title: "Action", cell: actions },
  ],
};
