// Numbers, sizes, times and positions as people read them.

const NONE = "–";
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

const isKnown = (value) => typeof value === "number" && Number.isFinite(value);

/** A number with separators of thousands. */
export function count(value) {
  return isKnown(value) ? whole.format(value) : NONE;
}

/** A number with its noun. */
export function counted(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** A number in each second. */
export function rate(value) {
  if (!isKnown(value)) {
    return NONE;
  }
  return `${value < 10 ? tenths.format(value) : whole.format(value)}/s`;
}

/** A size in units of 1024. */
export function bytes(value) {
  if (!isKnown(value)) {
    return NONE;
  }
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? whole.format(size) : tenths.format(size)} ${units[unit]}`;
}

/** A duration in its two largest units. */
export function seconds(value) {
  if (!isKnown(value)) {
    return NONE;
  }
  if (value < 60) {
    return `${value < 10 ? tenths.format(value) : whole.format(value)} s`;
  }
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  let rest = Math.round(value);
  const parts = [];
  for (const [unit, size] of units) {
    const number = Math.floor(rest / size);
    rest -= number * size;
    if (number > 0 || parts.length > 0) {
      parts.push(`${number} ${unit}`);
    }
    if (parts.length === 2) {
      break;
    }
  }
  return parts.join(" ");
}

/** An instant of RFC 3339 as its age; the instant itself where it is unreadable. */
export function age(text) {
  if (!text) {
    return NONE;
  }
  const then = Date.parse(text);
  if (Number.isNaN(then)) {
    return text;
  }
  const passed = (Date.now() - then) / 1000;
  return passed < 1 ? "now" : `${seconds(passed)} ago`;
}

export function percent(value) {
  return isKnown(value) ? `${tenths.format(value)} %` : NONE;
}

/** A text, or a dash. */
export function text(value) {
  if (value === null || value === undefined || value === "") {
    return NONE;
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A position such as `0/16B3748` as a number of bytes; null where it is unknown. */
export function lsn(text) {
  const found = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text ?? "");
  return found === null ? null : (BigInt(`0x${found[1]}`) << 32n) + BigInt(`0x${found[2]}`);
}

/**
 * A word for a shell: quoted unless it is harmless. Control and directional characters are written out, because a terminal may obey
 * them when the command is pasted.
 */
export function shell(word) {
  if (/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(word)) {
    const octal = (byte) => `\\${byte.toString(8).padStart(3, "0")}`;
    return `"$(printf '${Array.from(new TextEncoder().encode(word), octal).join("")}')"`;
  }
  return /^[A-Za-z0-9_./:@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** An option with its value. A value that begins with a hyphen is joined to the option. */
export function option(name, value) {
  return `${name}${value.startsWith("-") ? "=" : " "}${shell(value)}`;
}
