// A part of the page that is loaded when it is opened: a table over the answer of one endpoint.

import { read, Rejection } from "./api.js";
import { element, Table, write } from "./dom.js";

/** How often a closed part is asked whether anything in it needs attention. */
const CLOSED_MS = 20_000;

/**
 * A section has `id`, `title`, `path`, `open` (whether it is shown at once), `every` (milliseconds between two requests while it
 * is open), `watched` (whether it is asked while it is closed), `columns`, `rows(answer)`, `key(row)`, `note(answer)`,
 * `attention(answer)` with findings `{tone, title, text, key}`, `buttons` and `empty`.
 */
export class Section {
  constructor(definition) {
    this.definition = definition;
    this.findings = [];
    this.asked = -Infinity;
    const { id, title, columns, buttons = [] } = definition;
    this.note = element("span", { class: "note" });
    this.message = element("p", { class: "message" });
    this.table = new Table(columns, title);
    const heading = element("h2", {}, title);
    this.root = element(
      "details",
      { id, open: definition.open === true },
      element("summary", {}, heading, this.note),
      buttons.length > 0 ? element("div", { class: "buttons" }, ...buttons) : null,
      this.message,
      element("div", { class: "scroll" }, this.table.root),
    );
    this.table.root.hidden = true;
    write(this.message, "Loading…");
  }

  isDue(now) {
    const { every, watched } = this.definition;
    if (this.root.open) {
      return now - this.asked >= every;
    }
    return watched === true && now - this.asked >= CLOSED_MS;
  }

  /** Asks for the answer if it is time to; shows it, or why there is none. */
  async refresh(now) {
    if (!this.isDue(now)) {
      return;
    }
    this.asked = now;
    let answer;
    try {
      answer = await read(this.definition.path);
    } catch (error) {
      write(this.message, error instanceof Rejection ? error.message : "The connector does not answer.");
      this.message.hidden = false;
      return;
    }
    this.show(answer);
  }

  show(answer) {
    const { rows, key, note, attention, empty } = this.definition;
    const shown = rows(answer);
    this.findings = attention?.(answer) ?? [];
    write(this.note, note?.(answer));
    if (answer.as_of === null) {
      write(this.message, answer.error ?? "Being read from Kafka…");
      this.asked = -Infinity;
    } else {
      write(this.message, answer.error ?? (shown.length === 0 ? empty : ""));
    }
    this.message.hidden = this.message.textContent === "";
    this.table.root.hidden = shown.length === 0;
    this.table.show(shown, key);
  }
}
