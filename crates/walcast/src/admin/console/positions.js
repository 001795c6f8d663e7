// Positions that are kept, and what was done with them: checkpoints, bookmarks, replays, verification certificates.

import { button, byCommand, createBookmark } from "./actions.js";
import { age, bytes, count, counted, percent, seconds, shell, text } from "./format.js";

function once(make) {
  return (row, cell) => cell.firstElementChild ?? make(row);
}

const asOf = (answer) => (answer.as_of ? `read ${age(answer.as_of)}` : "");

export const checkpoints = {
  id: "checkpoints",
  title: "Checkpoints",
  path: "/api/v1/checkpoint",
  every: 5000,
  empty: "There is no checkpoint yet.",
  rows: (answer) => answer.history,
  key: (row) => `${row.end_lsn} ${row.written}`,
  note: asOf,
  columns: [
    { title: "Position", cell: (row) => (row.is_current ? `${row.end_lsn} (current)` : row.end_lsn) },
    { title: "Written", cell: (row) => age(row.written) },
    { title: "Last commit", cell: ({ last_commit: last }) => (last ? `${last.xid}, ${age(last.committed)}` : "") },
    { title: "State", cell: (row) => row.state.replaceAll("_", " ") },
    { title: "Action", cell: once((row) => rewind(row.end_lsn)) },
  ],
};

function rewind(lsn) {
  const action = () =>
    byCommand(
      "Rewind to this checkpoint",
      "Everything after the position is delivered again. The connector has to be stopped.",
      `walcast checkpoint set ${shell(lsn)}`,
    );
  return button("Rewind", action, `Rewind to ${lsn}`);
}

export const bookmarks = {
  id: "bookmarks",
  title: "Bookmarks",
  path: "/api/v1/bookmarks",
  every: 2000,
  watched: true,
  empty: "There is no bookmark.",
  rows: (answer) => answer.bookmarks,
  key: (row) => row.name,
  note: (answer) => (answer.inspected ? `${count(answer.bookmarks.length)} kept` : "not inspected on this instance"),
  attention: (answer) =>
    answer.bookmarks
      .filter(({ lost }) => lost)
      .map(({ name, invalidation_reason: reason }) => ({
        tone: "warn",
        title: `Bookmark ${name} is lost`,
        text: `${reason ?? "The server has removed its WAL"}; walcast bookmark drop ${shell(name)}`,
      })),
  buttons: [button("Create bookmark…", () => createBookmark())],
  columns: [
    { title: "Bookmark", cell: (row) => row.name },
    { title: "Kind", cell: (row) => row.kind },
    { title: "Position", cell: (row) => text(row.lsn) },
    { title: "Created", cell: (row) => age(row.created) },
    { title: "Retained WAL", cell: (row) => bytes(row.retained_bytes), numeric: true },
    { title: "Expires", cell: (row) => text(row.expires) },
    { title: "Action", cell: once((row) => drop(row.name)) },
  ],
};

function drop(name) {
  const text = "Drops the bookmark, so that the server no longer retains the WAL from its position.";
  return button("Drop", () => byCommand("Drop a bookmark", text, `walcast bookmark drop ${shell(name)}`), `Drop ${name}`);
}

export const replays = {
  id: "replays",
  title: "Replays",
  path: "/api/v1/replays",
  every: 5000,
  empty: "There is no replay.",
  rows: (answer) => answer.replays,
  key: (row) => row.name,
  note: asOf,
  buttons: [
    button("Start replay…", () =>
      byCommand(
        "Start a replay",
        "Sends the changes of a stored window again. The command runs it, beside the connector.",
        "walcast replay start --from LSN --to LSN --into PREFIX",
      ),
    ),
  ],
  columns: [
    { title: "Replay", cell: (row) => row.name },
    { title: "State", cell: (row) => `${row.state}, ${percent(row.percent)}` },
    { title: "Window", cell: (row) => `${text(row.from_lsn ?? row.from)} to ${text(row.to_lsn ?? row.to)}` },
    { title: "Source", cell: (row) => row.source },
    { title: "Into", cell: (row) => row.into ?? "the same topics" },
    { title: "Records", cell: (row) => count(row.records), numeric: true },
    { title: "Updated", cell: (row) => age(row.updated_at) },
  ],
};

export const verifications = {
  id: "verifications",
  title: "Verification",
  path: "/api/v1/verifications",
  every: 5000,
  watched: true,
  empty: "There is no certificate: walcast verify compares the source with the topics.",
  rows: (answer) => answer.certificates,
  key: (row) => `${row.lsn} ${row.taken_at}`,
  note: asOf,
  attention: (answer) => answer.certificates.slice(0, 1).filter(({ differences }) => differences > 0).map(drift),
  buttons: [
    button("Verify…", () =>
      byCommand(
        "Verify the topics",
        "Compares the source with the topics at one position, without blocking writers. The command reads whole tables.",
        "walcast verify",
      ),
    ),
  ],
  columns: [
    { title: "Position", cell: (row) => row.lsn },
    { title: "Verdict", cell: (row) => (row.is_selection ? `${row.verdict} (selected rows)` : row.verdict) },
    { title: "Age", cell: (row) => seconds(row.age_seconds) },
    { title: "Identical", cell: (row) => count(row.identical), numeric: true },
    { title: "Differences", cell: (row) => count(row.differences), numeric: true },
    { title: "Unverifiable", cell: (row) => count(row.unverifiable), numeric: true },
    { title: "Tables", cell: (row) => row.tables.join(", ") },
    { title: "Not compared", cell: (row) => row.not_compared.join(", ") },
  ],
};

function drift({ lsn, differences, tables }) {
  return {
    tone: "bad",
    title: `The last verification found ${counted(differences, "difference")}`,
    text: `At ${lsn}, in ${tables.join(", ")}. walcast verify names the keys that differ.`,
  };
}
