// Full screen: the picture takes everything; what floats above it rests while the pointer does.

const REST_AFTER_MS = 2500;

export class FullScreen {
  #root;
  #timer = 0;

  constructor(root) {
    this.#root = root;
    root.addEventListener("pointermove", () => this.#wake());
    document.addEventListener("fullscreenchange", () => this.#wake());
  }

  /** Goes in or out; resolves to false where the browser does not allow it. */
  async toggle() {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await this.#root.requestFullscreen();
      return true;
    } catch {
      return false;
    }
  }

  leave() {
    if (document.fullscreenElement) document.exitFullscreen();
  }

  #wake() {
    clearTimeout(this.#timer);
    this.#root.classList.remove("resting");
    if (document.fullscreenElement) this.#timer = setTimeout(() => this.#root.classList.add("resting"), REST_AFTER_MS);
  }
}
