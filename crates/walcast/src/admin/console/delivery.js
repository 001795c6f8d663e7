// What was delivered, what could not be, and who has it: transactions, dead letters, outboxes, event stores, consumers.

import { button, byCommand } from "./actions.js";
import { age, count, counted, seconds, text } from "./format.js";

/** A button in a cell, made once for a row: the action is fixed with its key. */
function once(make) {
  return (row, cell) => cell.firstElementChild ?? make(row);
}

const SHOWN_TRANSACTIONS = 100;

export const transactions = {
  id: "transactions",
  title: "Transactions",
  path: `/api/v1/transactions?limit=${SHOWN_TRANSACTIONS}`,
  every: 2000,
  empty: "No transaction was delivered since the start.",
  rows: (answer) => answer.transactions,
  key: (row) => `${row.commit_lsn} ${row.xid}`,
  note: (answer) => `${count(answer.delivered_total)} since the start`,
  columns: [
    { title: "Transaction", cell: (row) => `${row.xid} at ${row.commit_lsn}` },
    { title: "Committed", cell: (row) => age(row.committed) },
    { title: "Delay", cell: (row) => seconds(row.delay_seconds), numeric: true },
    { title: "Changes", cell: (row) => count(row.changes), numeric: true },
    { title: "Topics", cell: (row) => topicsOf(row) },
    { title: "Context", cell: (row) => row.context },
  ],
};

function topicsOf({ topics, has_further_records: hasMore }) {
  return hasMore ? `${topics.join(", ")} and others` : topics.join(", ");
}

export const deadLetters = {
  id: "dead-letters",
  title: "Dead letters",
  path: "/api/v1/dead-letters",
  every: 2000,
  watched: true,
  empty: "No dead letter since the start.",
  rows: (answer) => answer.recent,
  key: (row) => `${row.id} ${row.table}`,
  note: (answer) => `${count(answer.total)} since the start`,
  attention: (answer) =>
    answer.counts.map(({ table, reason, count: number }) => ({
      tone: "warn",
      title: `${counted(number, "dead letter")} of ${table}`,
      text: `Reason: ${reason}. ${answer.commands.list ?? "walcast dlq list"} shows them.`,
      key: `dead letters ${reason} ${table}`,
    })),
  columns: [
    { title: "Change", cell: (row) => row.id },
    { title: "Table", cell: (row) => row.table },
    { title: "Reason", cell: (row) => row.reason },
    { title: "Seen", cell: (row) => age(row.seen) },
    { title: "Action", cell: once((row) => retry(row)) },
  ],
};

function retry({ id, table, command }) {
  const action = () => byCommand("Retry a dead letter", `Delivers the current row of ${table} after the cause is fixed.`, command);
  return button("Retry", action, `Retry ${id} of ${table}`);
}

export const outboxes = {
  id: "outboxes",
  title: "Outboxes",
  path: "/api/v1/outboxes",
  every: 2000,
  watched: true,
  empty: "No event of an outbox was read.",
  rows: (answer) => [...answer.outboxes, ...answer.polled],
  key: (row) => row.table,
  note: (answer) => counted(answer.outboxes.length + answer.polled.length, "table"),
  attention: (answer) => [
    ...answer.outboxes
      .filter(({ cleanup }) => cleanup?.error)
      .map(({ table, cleanup }) => ({ tone: "warn", title: `Clean-up of ${table} fails`, text: cleanup.error })),
    ...answer.polled
      .filter(({ gate }) => gate !== null)
      .map(({ table, gate }) => ({ tone: "warn", title: `${table} waits for a transaction`, text: gate.remedy })),
  ],
  columns: [
    { title: "Outbox", cell: (row) => row.table },
    { title: "Waiting", cell: (row) => count(row.pending), numeric: true },
    { title: "Relay lag", cell: (row) => seconds(row.oldest_age_seconds), numeric: true },
    { title: "Published", cell: (row) => count(row.published), numeric: true },
    { title: "Dead", cell: (row) => count(row.dead), numeric: true },
    { title: "Clean-up", cell: ({ cleanup }) => (cleanup ? `${count(cleanup.rows)} rows, ${age(cleanup.last_run)}` : "") },
  ],
};

export const eventStores = {
  id: "event-stores",
  title: "Event stores",
  path: "/api/v1/event-stores",
  every: 2000,
  watched: true,
  empty: "No event of an event store was read.",
  rows: (answer) => answer.event_stores,
  key: (row) => row.table,
  note: (answer) => counted(answer.event_stores.length, "table"),
  attention: (answer) =>
    answer.event_stores
      .filter(({ violations }) => violations > 0)
      .map(({ table, violations, last_violation: last }) => ({
        tone: "bad",
        title: `${counted(violations, "violation")} in ${table}`,
        text: last?.error,
        key: `violations ${table}`,
      })),
  columns: [
    { title: "Event store", cell: (row) => row.table },
    { title: "Events", cell: (row) => count(Object.values(row.events).reduce((sum, some) => sum + some, 0)), numeric: true },
    { title: "Violations", cell: (row) => count(row.violations), numeric: true },
    { title: "Last violation", cell: (row) => row.last_violation?.error ?? "" },
  ],
};

export const consumers = {
  id: "consumers",
  title: "Consumers",
  path: "/api/v1/consumers",
  every: 5000,
  empty: "No consumer group has committed an offset of a topic of the connector.",
  rows: (answer) => [...answer.groups, ...answer.unreadable],
  key: (row) => row.group,
  note: (answer) => (answer.as_of ? `read ${age(answer.as_of)}` : ""),
  buttons: [
    button("Command…", () => byCommand("Consumer groups", "The same list in a terminal.", "walcast consumers")),
  ],
  columns: [
    { title: "Group", cell: (row) => row.group },
    { title: "State", cell: (row) => row.error ?? row.state },
    { title: "Members", cell: (row) => count(row.members), numeric: true },
    { title: "Lag in records", cell: (row) => count(row.lag_records), numeric: true },
    { title: "Lag in time", cell: (row) => seconds(row.lag_seconds), numeric: true },
    { title: "Has everything up to", cell: (row) => text(row.complete_to_lsn) },
    { title: "Topics", cell: (row) => (row.topics ?? []).map(topicOf).join(", ") },
  ],
};

function topicOf({ topic, lag_records: records }) {
  return records > 0 ? `${topic} (${count(records)})` : topic;
}
