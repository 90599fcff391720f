// What the read-out shows of frames, measured here: how many are drawn per second, and how soon the engine had each.

const WINDOW_MS = 1000;
const KEPT_FRAMES = 16384;
const NEWEST = 120;

export class Stats {
  #shown = [];
  #frames = [];

  constructor() {
    this.reset();
  }

  reset() {
    this.#shown = [];
    this.#frames = [];
    Object.assign(this, {
      frames: 0, tick: 0, fps: 0, late: 0, dropped: 0, overtaken: 0,
      tally: { computed: 0, extrapolated: 0, inBetween: 0, hits: 0, missed: 0, wasted: 0 },
    });
  }

  /** Counts a frame that was drawn at `now`. */
  count(frame, now) {
    this.frames += 1;
    this.tick = frame.tick;
    this.late = frame.late;
    this.dropped = frame.dropped;
    this.tally = frame.tally;
    this.#shown.push(now);
    this.#trim(now);
    const { tick, kind, drafted, readyMs } = frame;
    this.#frames.push({ tick, kind, drafted, readyMs, shownMs: now });
    if (this.#frames.length > 2 * KEPT_FRAMES) this.#frames = this.#frames.slice(-KEPT_FRAMES);
  }

  /** The frames that were drawn: their tick, how they were made, and when they were shown. */
  get records() {
    return this.#frames;
  }

  /** The mean of what the newest frames took from the input to the encoded picture, drafted ones too; null: none yet. */
  get effectiveMs() {
    const timed = this.#frames.slice(-NEWEST).filter((frame) => frame.kind !== "in between" && frame.tick > 0);
    return timed.length ? timed.reduce((sum, frame) => sum + frame.readyMs, 0) / timed.length : null;
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
