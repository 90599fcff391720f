// Frames → canvas. JPEGs are decoded off the main thread; a frame that was overtaken is never drawn.

const GLOW_EVERY_MS = 240;

export class Screen {
  #canvas;
  #context;
  #glow;
  #pending = null;
  #decoding = false;
  #lastGlow = 0;
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #onShown;
  generation = 0;
  overtaken = 0;

  /** `onShown(frame, shownAtMs)` after a frame was drawn; `glow` is a tiny canvas that takes the frame's colours. */
  constructor(canvas, glow, onShown) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false, desynchronized: true });
    this.#glow = glow.getContext("2d", { alpha: false });
    this.#onShown = onShown;
  }

  /** Gives the canvas a world's frame size and empties it. */
  open([width, height]) {
    this.generation += 1;
    this.#pending = null;
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
      let bitmap;
      try {
        bitmap = await createImageBitmap(new Blob([frame.image], { type: "image/jpeg" }));
      } catch {
        continue; // one damaged image is not worth stopping the game for: the next frame is on its way
      }
      if (generation === this.generation) this.#draw(bitmap, frame);
      bitmap.close();
    }
    this.#decoding = false;
  }

  #draw(bitmap, frame) {
    this.#context.drawImage(bitmap, 0, 0, this.#canvas.width, this.#canvas.height);
    const now = performance.now();
    if (now - this.#lastGlow > GLOW_EVERY_MS && !this.#still.matches) {
      this.#lastGlow = now;
      this.#glow.drawImage(bitmap, 0, 0, this.#glow.canvas.width, this.#glow.canvas.height);
    }
    this.#onShown(frame, now);
  }
}
