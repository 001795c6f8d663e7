// The last fifteen minutes of a value as a curve.

import { drawn, element, write } from "./dom.js";

const SPAN_SECONDS = 15 * 60;
const WIDTH = 900;
const HEIGHT = 100;
/** So many intervals without a sample are drawn as a gap. */
const GAP_INTERVALS = 4;

/** A curve with its title, its latest and its largest value. */
export class Plot {
  constructor(title, format) {
    this.title = title;
    this.format = format;
    this.area = drawn("path", { class: "area" });
    this.line = drawn("path", { class: "curve" });
    this.picture = drawn(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": title },
      this.area,
      this.line,
    );
    this.maximum = element("span");
    const ends = [element("span", {}, "15 min ago"), element("span", {}, "now")];
    this.root = element(
      "figure",
      { class: "plot" },
      element("figcaption", {}, element("span", {}, title), this.maximum),
      this.picture,
      element("div", { class: "axis", "aria-hidden": "true" }, ...ends),
    );
  }

  /** Draws samples `{at, value}`, the oldest first; `at` in seconds. */
  show(samples, interval) {
    const end = samples.at(-1)?.at ?? 0;
    const shown = samples.filter(({ at, value }) => at >= end - SPAN_SECONDS && Number.isFinite(value));
    const top = shown.reduce((most, { value }) => Math.max(most, value), 0);
    const x = (at) => (WIDTH * (1 - (end - at) / SPAN_SECONDS)).toFixed(1);
    const y = (value) => (HEIGHT - 2 - (HEIGHT - 6) * (top > 0 ? value / top : 0)).toFixed(1);
    const points = (run) => run.map(({ at, value }) => `${x(at)} ${y(value)}`).join(" L ");
    const runs = split(shown, interval * GAP_INTERVALS);
    this.line.setAttribute("d", runs.map((run) => `M ${points(run)}`).join(" "));
    const closed = (run) => `M ${x(run[0].at)} ${HEIGHT} L ${points(run)} L ${x(run.at(-1).at)} ${HEIGHT} Z`;
    this.area.setAttribute("d", runs.map(closed).join(" "));
    write(this.maximum, shown.length === 0 ? "no sample yet" : `maximum ${this.format(top)}`);
    const latest = this.format(shown.at(-1)?.value);
    const summary = `${this.title} of the last 15 minutes: now ${latest}, maximum ${this.format(top)}`;
    this.picture.setAttribute("aria-label", summary);
  }
}

/** Runs of samples without a gap. */
function split(samples, gap) {
  const runs = [];
  samples.forEach((sample, index) => {
    if (index === 0 || sample.at - samples[index - 1].at > gap) {
      runs.push([]);
    }
    runs.at(-1).push(sample);
  });
  return runs;
}
