// From a hand to the eye: how long every change of the controls took to the first painted picture that used it.

const KEPT_CHANGES = 4096;
const NEWEST = 60;

/** Where a change's milliseconds went, in the order in which they passed. They add up to the whole. */
export const STAGES = ["network", "wait", "dynamics", "decode", "encode", "unpack", "paint"];

export class Latencies {
  #sentMs = new Map();
  #waiting = [];
  #done = [];

  reset() {
    this.#sentMs.clear();
    this.#waiting = [];
    this.#done = [];
  }

  /** Forgets the changes that no picture has answered yet: nothing will, or much later, and not for slowness. */
  interrupt() {
    this.#waiting = [];
  }

  /**
   * An input has gone out. `changed` tells a hand's change, made at `clientMs` (its event's own clock), from an input
   * that only repeats the last one: those are no one's motion, so they never count.
   */
  sent(sequence, clientMs, changed) {
    if (sequence === 0) return;
    const sentMs = performance.now();
    this.#sentMs.set(sequence, sentMs);
    if (changed) this.#waiting.push({ sequence, clientMs, sentMs, frame: null });
  }

  /** Frames that have come in are asked which changes they are the first to have used. */
  arrived(frame) {
    if (frame.kind === "in between") return; // for the eye alone: what lies between two ticks used no input of its own
    for (const change of this.#waiting) {
      if (change.frame || change.sequence > frame.sequence) continue;
      change.frame = frame;
      change.waitMs = frame.waitMs + (this.#sentMs.get(frame.sequence) ?? change.sentMs) - change.sentMs;
    }
    for (const sequence of this.#sentMs.keys()) {
      if (sequence >= frame.sequence) break;
      this.#sentMs.delete(sequence);
    }
  }

  /** `frame` was painted at `paintedMs`; it stands for those that it has overtaken. */
  painted(frame, paintedMs) {
    const seen = this.#waiting.filter((change) => change.frame && change.frame.arrivedMs <= frame.arrivedMs);
    if (!seen.length) return;
    this.#waiting = this.#waiting.filter((change) => !seen.includes(change));
    this.#done.push(...seen.map((change) => record(change, frame.decodedMs, paintedMs)));
    this.#done = this.#done.slice(-KEPT_CHANGES);
  }

  /** Every change so far: when it was made, how it was answered, the whole and its stages in milliseconds. */
  get records() {
    return this.#done;
  }

  /** Of the newest changes: p50, p95, and the mean of every stage; null where there was none. */
  summary() {
    const newest = this.#done.slice(-NEWEST);
    if (!newest.length) return null;
    const sorted = newest.map((change) => change.totalMs).sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    const mean = (stage) => newest.reduce((sum, change) => sum + change.stages[stage], 0) / newest.length;
    return { p50: at(0.5), p95: at(0.95), stages: Object.fromEntries(STAGES.map((stage) => [stage, mean(stage)])) };
  }
}

// Only what lies between hand and eye counts: of a frame that was drafted before its key, most had been done by then.
// What is left of `readyMs` is told from its end: a picture is encoded last.
function record({ sequence, clientMs, sentMs, waitMs, frame }, decodedMs, paintedMs) {
  const encode = Math.min(frame.encodeMs, frame.readyMs);
  const decode = Math.min(frame.decodeMs, frame.readyMs - encode);
  const stages = {
    wait: waitMs, dynamics: frame.readyMs - encode - decode, decode, encode,
    unpack: decodedMs - frame.arrivedMs, paint: paintedMs - decodedMs,
  };
  const totalMs = paintedMs - clientMs;
  const known = Object.values(stages).reduce((sum, value) => sum + value, 0);
  stages.network = Math.max(0, totalMs - known);
  return {
    sequence, clientMs, sentMs, paintedMs, totalMs, stages, tick: frame.tick, kind: frame.kind, drafted: frame.drafted,
  };
}
