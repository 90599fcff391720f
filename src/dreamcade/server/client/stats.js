// What the read-out shows, measured here: frames drawn per second, and input → drawn frame on one clock.

const WINDOW_MS = 1000;
const KEPT_LATENCIES = 60;

export class Stats {
  #shown = [];
  #sequence = 0;
  #latencies = [];

  constructor() {
    this.reset();
  }

  reset() {
    this.#shown = [];
    this.#sequence = 0;
    this.#latencies = [];
    Object.assign(this, {
      frames: 0, tick: 0, fps: 0, latencyMs: null, latencyP95Ms: null, late: 0, dropped: 0, overtaken: 0,
      stages: { wait: 0, dynamics: 0, decode: 0, encode: 0, network: 0 },
    });
  }

  /** Counts a frame that was drawn at `now`; the first one to use an input says how long that input took. */
  count(frame, now) {
    this.frames += 1;
    this.tick = frame.tick;
    this.late = frame.late;
    this.dropped = frame.dropped;
    this.#shown.push(now);
    this.#trim(now);
    const smooth = (name, value) => {
      const old = this.stages[name];
      this.stages[name] = old === 0 ? value : old + 0.12 * (value - old);
    };
    smooth("dynamics", frame.dynamicsMs);
    smooth("decode", frame.decodeMs);
    smooth("encode", frame.encodeMs);
    if (frame.sequence === 0 || frame.sequence === this.#sequence) return;
    this.#sequence = frame.sequence;
    const latency = now - frame.clientMs;
    const compute = frame.dynamicsMs + frame.decodeMs + frame.encodeMs;
    smooth("wait", frame.waitMs);
    smooth("network", Math.max(0, latency - frame.waitMs - compute));
    this.#latencies.push(latency);
    if (this.#latencies.length > KEPT_LATENCIES) this.#latencies.shift();
    const sorted = [...this.#latencies].sort((a, b) => a - b);
    this.latencyMs = sorted[Math.floor(sorted.length * 0.5)];
    this.latencyP95Ms = sorted[Math.floor(sorted.length * 0.95)];
  }

  /** The rate, also when no frame comes any more. */
  refresh(now) {
    const stalled = !this.#shown.length || now - this.#shown.at(-1) > WINDOW_MS / 2;
    if (stalled) this.#trim(now);
    if (stalled) this.fps = this.#shown.length;
    return this.fps;
  }

  #trim(now) {
    while (this.#shown.length && this.#shown[0] < now - WINDOW_MS) this.#shown.shift();
    const span = this.#shown.length > 1 ? this.#shown.at(-1) - this.#shown[0] : 0;
    this.fps = span > 0 ? ((this.#shown.length - 1) * 1000) / span : 0;
  }
}
