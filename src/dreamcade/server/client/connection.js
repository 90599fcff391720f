// One WebSocket that comes back: newest input out, frames in, a fresh session after every loss.

import {
  ProtocolError, dumpHello, dumpPlain, dumpReset, dumpSetModes, packInput, parseServer, unpackFrame,
} from "./protocol.js";

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4000;
const CONNECT_LIMIT_MS = 8000;
const WAIT_FOR_PLACE_MS = 3000;
const SILENCE_MS = 6000;
const WAKING_MS = 60000;
const WATCH_MS = 1000;

/**
 * `listeners`: onConnecting(attempt), onWaking(message), onReady(ready), onModes(modes),
 * onFrame(frame) with the `arrivedMs` of its bytes, onNotice(message, quiet), onLost(waitMs, attempt),
 * onRefused(code, message, retryMs or null).
 */
export class Connection {
  #listeners;
  #world;
  #start;
  #socket = null;
  #timer = 0;
  #watch = 0;
  #heardAt = 0;
  #paused = false;
  #attempt = 0;
  #sequence = 0;
  #refused = false;
  #closed = false;
  ready = false;

  constructor(world, start, listeners) {
    this.#world = world;
    this.#start = start;
    this.#listeners = listeners;
  }

  open() {
    clearTimeout(this.#timer);
    this.#drop();
    this.#closed = false;
    this.#refused = false;
    this.#listeners.onConnecting(this.#attempt);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/play`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(dumpHello(this.#world, this.#start, randomSeed()));
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = () => this.#lose();
    this.#socket = socket;
    this.#heardAt = performance.now();
    this.#paused = false;
    clearInterval(this.#watch);
    this.#watch = setInterval(() => this.#listen(), WATCH_MS);
    this.#timer = setTimeout(() => socket.readyState === WebSocket.CONNECTING && socket.close(), CONNECT_LIMIT_MS);
  }

  /** Leaves for good. */
  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    this.#send(dumpPlain("bye"));
    this.#drop();
  }

  /** Sends the controls; returns their sequence number, or 0 where nobody listens. */
  input(action, clientMs) {
    if (!this.ready) return 0;
    this.#sequence = (this.#sequence + 1) >>> 0 || 1;
    this.#send(packInput(this.#sequence, clientMs, action));
    return this.#sequence;
  }

  pause() {
    if (!this.ready) return;
    this.#paused = true;
    this.#send(dumpPlain("pause"));
  }

  resume() {
    if (!this.ready) return;
    this.#paused = false;
    this.#heardAt = performance.now();
    this.#send(dumpPlain("resume"));
  }

  setModes(modes) { if (this.ready) this.#send(dumpSetModes(modes)); }

  reset() { if (this.ready) this.#send(dumpReset(randomSeed())); }

  #send(data) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(data);
  }

  // A server that was suspended, or a line that was cut, closes nothing: silence is the only sign.
  #listen() {
    const limit = this.ready ? SILENCE_MS : WAKING_MS;
    if (this.#paused || performance.now() - this.#heardAt < limit) return;
    this.#drop();
    this.#lose();
  }

  #receive(data) {
    const arrivedMs = performance.now();
    this.#heardAt = arrivedMs;
    try {
      if (typeof data === "string") this.#obey(parseServer(data));
      else this.#listeners.onFrame({ ...unpackFrame(data), arrivedMs });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#refuse("protocol", error.message, null);
    }
  }

  #obey(message) {
    if (message.type === "waking") this.#listeners.onWaking(message.message);
    if (message.type === "ready") {
      this.#attempt = 0;
      this.ready = true;
      this.#listeners.onReady(message);
    }
    if (message.type === "modes") this.#listeners.onModes(message);
    if (message.type === "notice") this.#listeners.onNotice(message.text, true);
    if (message.type === "error" && !message.fatal) this.#listeners.onNotice(message.message, false);
    if (message.type === "error" && message.fatal) {
      this.#refuse(message.code, message.message, message.code === "full" ? WAIT_FOR_PLACE_MS : null);
    }
  }

  #refuse(code, message, retryMs) {
    this.#refused = true;
    clearInterval(this.#watch);
    this.#drop();
    this.#listeners.onRefused(code, message, retryMs);
    if (retryMs !== null) this.#timer = setTimeout(() => this.open(), retryMs);
  }

  #lose() {
    this.ready = false;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    if (this.#closed || this.#refused) return;
    const wait = Math.min(FIRST_WAIT_MS * 2 ** this.#attempt, LONGEST_WAIT_MS) * (0.8 + 0.4 * Math.random());
    this.#attempt += 1;
    this.#listeners.onLost(wait, this.#attempt);
    this.#timer = setTimeout(() => this.open(), wait);
  }

  #drop() {
    this.ready = false;
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }
}

function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}
