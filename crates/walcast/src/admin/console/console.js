// The page: asks for the state every two seconds while it is visible, and for nothing while it is hidden.

import { prepare as prepareActions } from "./actions.js";
import { read, Rejection } from "./api.js";
import { list, ofOverview } from "./attention.js";
import { consumers, deadLetters, eventStores, outboxes, transactions } from "./delivery.js";
import { byId, write } from "./dom.js";
import * as overview from "./overview.js";
import { bookmarks, checkpoints, replays, verifications } from "./positions.js";
import { Section } from "./section.js";
import { tables } from "./tables.js";

const INTERVAL_MS = 2000;

const sections = [
  tables,
  transactions,
  deadLetters,
  checkpoints,
  bookmarks,
  replays,
  verifications,
  outboxes,
  eventStores,
  consumers,
].map((definition) => new Section(definition));
const showAttention = list();
let timer = null;
let isAsking = false;
let ofConnector = [];
let state = null;

async function refresh() {
  clearTimeout(timer);
  if (document.hidden || isAsking) {
    return;
  }
  setAsking(true);
  const now = performance.now();
  const parts = sections.map((section) => section.refresh(now));
  for (const { reason } of await Promise.allSettled([refreshOverview(), ...parts])) {
    if (reason !== undefined) {
      reportError(reason);
    }
  }
  setAsking(false);
  showFindings();
  if (!document.hidden) {
    timer = setTimeout(refresh, INTERVAL_MS);
  }
}

/** The attribute is read by the test of the page. */
function setAsking(value) {
  isAsking = value;
  document.documentElement.dataset.asking = String(value);
}

async function refreshOverview() {
  let report;
  try {
    report = await read("/api/v1/overview");
  } catch (error) {
    ofConnector = [unanswered(error)];
    write(byId("updated"), "not updated");
    return;
  }
  ofConnector = ofOverview(report);
  overview.show(report);
  write(byId("updated"), "");
  if (state !== null && state !== report.state) {
    announce(`State of ${report.name}: ${report.state}`);
  }
  state = report.state;
}

function unanswered(error) {
  if (error instanceof Rejection && error.status === 401) {
    return { tone: "warn", title: "The token is required to read", text: "Enter the token of the admin port." };
  }
  const text = error instanceof Rejection ? error.message : "The page shows what was last read, and asks again.";
  return { tone: "bad", title: "The connector does not answer", text };
}

function showFindings() {
  const added = showAttention([...ofConnector, ...sections.flatMap(({ findings }) => findings)]);
  if (added.length > 0) {
    announce(`Needs attention: ${added.join("; ")}`);
  }
}

function announce(text) {
  write(byId("announced"), text);
}

overview.prepare();
byId("sections").append(...sections.map(({ root }) => root));
for (const { root } of sections) {
  root.addEventListener("toggle", () => refresh());
}
prepareActions(() => {
  for (const section of sections) {
    section.asked = -Infinity;
  }
  refresh();
});
document.addEventListener("visibilitychange", () => refresh());
refresh();
