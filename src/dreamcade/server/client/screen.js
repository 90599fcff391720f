// Frames → canvas. JPEGs are decoded off the main thread; a frame that was overtaken is never drawn.

import { decodePicture } from "./picture.js";

const GLOW_EVERY_MS = 240;

export class Screen {
  #canvas;
  #context;
  #glow;
  #pending = null;
  #decoding = false;
  #lastGlow = 0;
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #drawn = null;
  #handedOver = null;
  #committed = new MessageChannel();
  #onShown;
  #onPainted;
  generation = 0;
  overtaken = 0;

  /**
   * `onShown(frame, shownAtMs)` after a frame was drawn, with its `decodedMs`; `onPainted(frame, paintedAtMs)` for the
   * newest one that went to the display; `glow` is a tiny canvas that takes the frame's colours.
   */
  constructor(canvas, glow, onShown, onPainted) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false, desynchronized: true });
    this.#glow = glow.getContext("2d", { alpha: false });
    this.#onShown = onShown;
    this.#onPainted = onPainted;
    this.#committed.port1.onmessage = () => this.#paint();
  }

  /** Gives the canvas a world's frame size and empties it. */
  open([width, height]) {
    this.generation += 1;
    this.#pending = this.#drawn = null;
    this.overtaken = 0;
    this.#canvas.width = width;
    this.#canvas.height = height;
    this.#glow.fillRect(0, 0, 99, 99);
  }

  /** Shows `frame` unless a newer one comes while it waits. */
  show(frame) {
    if (this.#pending) this.overtaken += 1;
    this.#pending = frame;
    if (!this.#decoding) this.#decode();
  }

  async #decode() {
    this.#decoding = true;
    while (this.#pending) {
      const frame = this.#pending;
      const generation = this.generation;
      this.#pending = null;
      let picture;
      try {
        picture = await decodePicture(frame.image);
      } catch {
        continue; // one damaged image is not worth stopping the game for: the next frame is on its way
      }
      if (generation === this.generation) this.#draw(picture, frame);
      picture.close();
    }
    this.#decoding = false;
  }

  #draw(picture, frame) {
    frame.decodedMs = performance.now();
    this.#context.drawImage(picture, 0, 0, this.#canvas.width, this.#canvas.height);
    const now = performance.now();
    this.#await(frame);
    if (now - this.#lastGlow > GLOW_EVERY_MS && !this.#still.matches) {
      this.#lastGlow = now;
      this.#glow.drawImage(picture, 0, 0, this.#glow.canvas.width, this.#glow.canvas.height);
    }
    this.#onShown(frame, now);
  }

  // No page is told when a canvas lights up. The nearest that it can see is the end of the rendering step that takes
  // the drawing over: requestAnimationFrame runs right before the page is painted, and a message posted there is the
  // first task after it. A second requestAnimationFrame would add the whole wait for the next refresh, which has nothing
  // to do with this frame; what comes after the hand-over (compositing, the display's own delay) is not in the figure.
  #await(frame) {
    const asked = this.#drawn !== null;
    this.#drawn = frame;
    if (!asked) requestAnimationFrame(() => this.#handOver());
  }

  #handOver() {
    this.#handedOver = this.#drawn; // one that is drawn from now on waits for the next step
    this.#drawn = null;
    this.#committed.port2.postMessage(null);
  }

  #paint() {
    if (this.#handedOver) this.#onPainted(this.#handedOver, performance.now());
    this.#handedOver = null;
  }
}
