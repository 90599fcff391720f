// The read-out: frame rate, latency, and where a frame's milliseconds go.

const REFRESH_MS = 250;
const STAGES = [
  ["wait", "wait for tick"],
  ["dynamics", "dream"],
  ["decode", "decode"],
  ["encode", "encode"],
  ["network", "network + display"],
];

export class Hud {
  #stats;
  #root;
  #timer = 0;
  #parts = {};

  constructor(root, stats) {
    this.#root = root;
    this.#stats = stats;
    for (const key of ["fps", "latency", "bar", "legend", "losses"]) {
      this.#parts[key] = root.querySelector(`[data-hud="${key}"]`);
    }
    for (const [stage, label] of STAGES) this.#addStage(stage, label);
  }

  start(tickRate) {
    this.tickRate = tickRate;
    this.stop();
    this.#timer = setInterval(() => this.#draw(), REFRESH_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }

  /** Shows or hides the stage times. */
  toggleDetails() {
    this.#root.classList.toggle("plain");
  }

  #addStage(stage, label) {
    const segment = document.createElement("i");
    segment.className = `stage-${stage}`;
    const entry = document.createElement("li");
    entry.className = `stage-${stage}`;
    const value = document.createElement("b");
    entry.append(value, ` ${label}`);
    this.#parts.bar.append(segment);
    this.#parts.legend.append(entry);
    this.#parts[stage] = { segment, value };
  }

  #draw() {
    const fps = this.#stats.refresh(performance.now());
    const { latencyMs, stages, late, dropped, overtaken } = this.#stats;
    this.#parts.fps.textContent = fps > 0 ? fps.toFixed(fps < 9.95 ? 1 : 0) : "–";
    this.#parts.fps.parentElement.classList.toggle("slow", fps > 0 && fps < 0.9 * this.tickRate);
    this.#parts.latency.textContent = latencyMs === null ? "–" : latencyMs.toFixed(0);
    for (const [stage] of STAGES) {
      this.#parts[stage].segment.style.flexGrow = Math.max(0.01, stages[stage]).toFixed(2);
      this.#parts[stage].value.textContent = stages[stage].toFixed(1);
    }
    const losses = [[late, "late"], [dropped, "skipped on the line"], [overtaken, "overtaken"]];
    this.#parts.losses.textContent = losses.filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}`).join(" · ");
  }
}
