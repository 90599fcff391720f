// The read-out: frame rate, true and effective latency, where the milliseconds go, and how the frames were made.

const REFRESH_MS = 250;
const TALLY_REFRESHES = 20;
const STAGES = [
  ["wait", "wait for tick", "The key waited at the engine for the next tick."],
  ["dynamics", "", ""], // what makes the frame: `start` names it
  ["decode", "decode", "The codec made pixels of it."],
  ["encode", "encode", "The pixels became a JPEG."],
  ["network", "network", "The line, both ways, and the programs at its ends."],
  ["paint", "paint", "This page decoded the JPEG and painted it."],
];

export class Hud {
  #root;
  #stats;
  #latencies;
  #timer = 0;
  #tallies = [];
  #parts = {};

  constructor(root, stats, latencies) {
    this.#root = root;
    this.#stats = stats;
    this.#latencies = latencies;
    for (const key of ["fps", "latency", "p95", "effective", "bar", "legend", "made", "losses"]) {
      this.#parts[key] = root.querySelector(`[data-hud="${key}"]`);
    }
    this.#parts.button = root.querySelector("button");
    for (const [stage, label, meaning] of STAGES) this.#addStage(stage, label, meaning);
  }

  /** `making` is what makes a frame: [its name, a sentence about it]. */
  start(tickRate, [name, meaning]) {
    this.tickRate = tickRate;
    this.#parts.dynamics.label.data = ` ${name}`;
    this.#parts.dynamics.entry.title = meaning;
    this.stop();
    this.#tallies = [];
    this.#timer = setInterval(() => this.#draw(), REFRESH_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }

  /** Opens or closes what the read-out can tell and switch. */
  toggleDetails() {
    const open = this.#root.classList.toggle("open");
    this.#parts.button.setAttribute("aria-expanded", String(open));
  }

  #addStage(stage, label, meaning) {
    const segment = document.createElement("i");
    segment.className = `stage-${stage}`;
    const entry = document.createElement("li");
    entry.className = `stage-${stage}`;
    entry.title = meaning;
    const value = document.createElement("b");
    value.textContent = "–";
    const text = document.createTextNode(` ${label}`);
    entry.append(value, text);
    this.#parts.bar.append(segment);
    this.#parts.legend.append(entry);
    this.#parts[stage] = { segment, value, entry, label: text };
  }

  #draw() {
    const fps = this.#stats.refresh(performance.now());
    const { effectiveMs, late, dropped, overtaken } = this.#stats;
    const latency = this.#latencies.summary();
    this.#parts.fps.textContent = fps > 0 ? fps.toFixed(fps < 9.95 ? 1 : 0) : "–";
    this.#parts.fps.parentElement.classList.toggle("slow", fps > 0 && fps < 0.9 * this.tickRate);
    this.#parts.latency.textContent = latency ? latency.p50.toFixed(0) : "–";
    this.#parts.p95.textContent = latency ? latency.p95.toFixed(0) : "–";
    this.#parts.effective.textContent = effectiveMs === null ? "–" : effectiveMs.toFixed(0);
    if (latency) this.#drawStages(latency.stages);
    this.#parts.made.textContent = this.#howMade();
    const losses = [[late, "late"], [dropped, "skipped on the line"], [overtaken, "overtaken"]];
    this.#parts.losses.textContent = losses.filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}`).join(" · ");
  }

  #drawStages(stages) {
    const shown = { ...stages, paint: stages.unpack + stages.paint };
    for (const [stage] of STAGES) {
      this.#parts[stage].segment.style.flexGrow = Math.max(0.01, shown[stage]).toFixed(2);
      this.#parts[stage].value.textContent = shown[stage].toFixed(1);
    }
  }

  // Of the last seconds only, so that a switch shows at once what it does.
  #howMade() {
    const now = this.#stats.tally;
    if (now.computed < (this.#tallies.at(-1)?.computed ?? 0)) this.#tallies = [];
    this.#tallies.push(now);
    if (this.#tallies.length > TALLY_REFRESHES) this.#tallies.shift();
    const lately = Object.fromEntries(Object.keys(now).map((name) => [name, now[name] - this.#tallies[0][name]]));
    const frames = lately.computed + lately.extrapolated + lately.inBetween;
    const drafts = lately.hits + lately.missed;
    const share = (count, of) => `${Math.round((100 * count) / of)}\u00a0%`;
    if (!frames) return "";
    const kinds = [["made", lately.computed], ["extrapolated", lately.extrapolated], ["in between", lately.inBetween]];
    const parts = kinds.map(([what, count]) => `${what.replace(" ", "\u00a0")}\u00a0${share(count, frames)}`);
    if (drafts) parts.push(`drafts\u00a0hit\u00a0${share(lately.hits, drafts)}`);
    return parts.join(" · ");
  }
}
