// Elements, made and updated without markup: names of the database are hostile, and textContent shows them as they are.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children, which are elements or texts. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** An element of an SVG picture. */
export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined).map(node));
  return made;
}

function node(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

/** Sets a text only where it differs, so that a screen reader does not read it again. */
export function write(target, text) {
  const shown = text === null || text === undefined ? "" : String(text);
  if (target.textContent !== shown) {
    target.textContent = shown;
  }
}

export function byId(id) {
  return document.getElementById(id);
}

/**
 * A list whose entries keep their elements while their keys stay, so that neither the focus nor a selection is lost when the page
 * is updated.
 */
export class Entries {
  constructor(parent, make, update) {
    this.parent = parent;
    this.make = make;
    this.update = update;
    this.known = new Map();
  }

  /** Shows these items in this order. */
  show(items, keyOf) {
    // An element that is moved loses the focus, so that those that are no longer shown are removed first.
    const shown = new Set(items.map(keyOf));
    for (const [key, entry] of this.known) {
      if (!shown.has(key)) {
        entry.remove();
      }
    }
    const kept = new Map();
    let place = this.parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      if (kept.has(key)) {
        continue;
      }
      const entry = this.known.get(key) ?? this.make(item);
      this.update(entry, item);
      kept.set(key, entry);
      if (entry === place) {
        place = place.nextElementSibling;
      } else {
        this.parent.insertBefore(entry, place);
      }
    }
    this.known = kept;
  }
}

/** A table of which the columns are `{title, cell, numeric}`; `cell` returns a text, an element, or nothing. */
export class Table {
  constructor(columns, caption) {
    const heads = columns.map(({ title, numeric }) =>
      element("th", { scope: "col", class: numeric ? "number" : null }, title),
    );
    const body = element("tbody");
    this.columns = columns;
    this.root = element(
      "table",
      {},
      element("caption", { class: "unseen" }, caption),
      element("thead", {}, element("tr", {}, ...heads)),
      body,
    );
    this.entries = new Entries(body, (item) => this.row(item), (row, item) => this.fill(row, item));
  }

  row() {
    const cells = this.columns.map(({ title, numeric }) =>
      element("td", { "data-title": title, class: numeric ? "number" : null }),
    );
    return element("tr", {}, ...cells);
  }

  fill(row, item) {
    this.columns.forEach(({ cell }, index) => {
      const target = row.children[index];
      const content = cell(item, target);
      if (content instanceof Node) {
        if (target.firstChild !== content) {
          target.replaceChildren(content);
        }
      } else if (content !== KEPT) {
        write(target, content);
      }
    });
  }

  show(items, keyOf) {
    this.entries.show(items, keyOf);
  }
}

/** What a cell returns that has updated its content itself. */
export const KEPT = Symbol("kept");
