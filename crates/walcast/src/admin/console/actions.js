// Actions: a dialog that shows the equivalent command, and runs the request with the token.

import { hasToken, Rejection, send, setToken } from "./api.js";
import { byId, element, write } from "./dom.js";
import { option, shell } from "./format.js";

const dialog = byId("action-dialog");
const tokenDialog = byId("token-dialog");
const run = byId("action-run");
let current = null;

/** Connects the dialogs; `done` is called after an action and after a change of the token. */
export function prepare(done) {
  byId("token-button").addEventListener("click", askToken);
  // At once, and not with the event of closing, which comes later: an action may be run before.
  tokenDialog.querySelector("form").addEventListener("submit", ({ submitter }) => {
    const field = byId("token-field");
    if (submitter?.value === "set" && field.value !== "") {
      setToken(field.value.trim());
    } else if (submitter?.value === "forget") {
      setToken("");
    }
    field.value = "";
    write(byId("token-button"), hasToken() ? "Token entered" : "Enter token");
    done();
  });
  tokenDialog.addEventListener("close", () => {
    if (!tokenDialog.open) {
      byId("token-field").value = "";
    }
  });
  byId("action-close").addEventListener("click", () => dialog.close());
  run.addEventListener("click", async (event) => {
    event.preventDefault();
    await execute();
    done();
  });
  // The event follows the closing; the dialog of the next action may be open by then.
  dialog.addEventListener("close", () => {
    if (!dialog.open) {
      current = null;
    }
  });
}

function askToken() {
  tokenDialog.showModal();
}

/** A button that opens the dialog of an action. */
export function button(label, action, description) {
  const made = element("button", { type: "button", "aria-label": description }, label);
  made.addEventListener("click", () => open(action()));
  return made;
}

/**
 * Opens the dialog. An action has a title, a text, fields `{name, label, value, hint}`, `command(values)`, and
 * `request(values)` with method, path and body. An action without a request is run on the command line only.
 */
export function open(action) {
  current = action;
  write(byId("action-title"), action.title);
  write(byId("action-text"), action.text);
  write(byId("action-result"), "");
  const fields = (action.fields ?? []).map(field);
  byId("action-fields").replaceChildren(...fields);
  run.hidden = action.request === undefined;
  run.disabled = false;
  showCommand();
  dialog.showModal();
}

function field({ name, label, value, hint }) {
  const input = element("input", { id: `field-${name}`, name, value, autocomplete: "off", spellcheck: "false" });
  input.addEventListener("input", showCommand);
  const note = hint ? element("small", {}, ` ${hint}`) : null;
  return element("div", {}, element("label", { for: `field-${name}` }, label, note), input);
}

function values() {
  const inputs = byId("action-fields").querySelectorAll("input");
  return Object.fromEntries(Array.from(inputs, ({ name, value }) => [name, value.trim()]));
}

function showCommand() {
  write(byId("action-command"), current.command(values()));
}

async function execute() {
  const action = current;
  const result = byId("action-result");
  if (action?.request === undefined) {
    return;
  }
  if (!hasToken()) {
    write(result, "This action requires the token.");
    askToken();
    return;
  }
  run.disabled = true;
  write(result, "Running…");
  try {
    const { method, path, body } = action.request(values());
    const answer = await send(method, path, body);
    write(result, `Done. ${action.outcome?.(answer?.result) ?? ""}`);
    if (current === action && answer?.command) {
      write(byId("action-command"), answer.command);
    }
  } catch (error) {
    write(result, error instanceof Rejection ? error.message : `No answer: ${error.message}`);
  }
  run.disabled = false;
}

const SNAPSHOT = "/api/v1/snapshot";

const concerned = (result) => (result?.tables?.length ? `Tables: ${result.tables.join(", ")}.` : "");

/** Reads the rows of tables again. */
export function readRows(pattern) {
  const selection = ({ tables, where }) => (where ? { tables, where } : { tables });
  return {
    title: "Read existing rows",
    text: "Reads the rows of captured tables again while changes are streamed.",
    fields: [
      { name: "tables", label: "Tables", value: pattern, hint: "pattern over schema.table" },
      { name: "where", label: "Condition", value: "", hint: "optional, on the rows" },
    ],
    command: ({ tables, where }) =>
      `walcast snapshot start ${option("--tables", tables)}${where ? ` ${option("--where", where)}` : ""}`,
    request: (entered) => ({ method: "POST", path: SNAPSHOT, body: { action: "start", tables: [selection(entered)] } }),
    outcome: concerned,
  };
}

/** Pauses, resumes or stops reading. */
export function commandSnapshot(action, title, text) {
  return {
    title,
    text,
    command: () => `walcast snapshot ${action}`,
    request: () => ({ method: "POST", path: SNAPSHOT, body: { action } }),
    outcome: concerned,
  };
}

/** Ends the quarantine of the table that a pattern matches. */
export function resumeTable(pattern, command) {
  return {
    title: "Resume a table",
    text: `Ends the quarantine of ${pattern}: its changes are delivered again, and its rows are read.`,
    command: () => command,
    request: () => ({ method: "POST", path: SNAPSHOT, body: { action: "resume_tables", tables: [pattern] } }),
    outcome: concerned,
  };
}

/** Keeps the confirmed position. */
export function createBookmark() {
  return {
    title: "Create a bookmark",
    text: "Keeps the confirmed position of the slot. The server retains the WAL from it until the bookmark is dropped.",
    fields: [{ name: "name", label: "Name", value: "", hint: "a to z, 0 to 9 and _" }],
    command: ({ name }) => `walcast bookmark create ${shell(name || "NAME")}`,
    request: ({ name }) => ({ method: "POST", path: "/api/v1/bookmarks", body: { name } }),
    outcome: (bookmark) => `Position ${bookmark?.lsn ?? "unknown"}.`,
  };
}

/** What is run on the command line only. */
export function byCommand(title, text, command) {
  return { title, text, command: () => command };
}
