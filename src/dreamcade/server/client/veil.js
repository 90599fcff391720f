// What lies over the picture while it does not move: waking, paused, lost, refused.

export class Veil {
  #root;
  #title;
  #text;
  #actions;

  constructor(root) {
    this.#root = root;
    this.#title = root.querySelector("[data-veil=title]");
    this.#text = root.querySelector("[data-veil=text]");
    this.#actions = root.querySelector("[data-veil=actions]");
  }

  /** `kind` chooses the look; `actions` are [label, callback] pairs, the first one focused when `focus`. */
  show(kind, title, text, actions = [], { focus = false } = {}) {
    this.#root.dataset.kind = kind;
    this.#root.hidden = false;
    this.#title.textContent = title;
    this.#text.textContent = text;
    const buttons = actions.map(([label, callback]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.addEventListener("click", callback);
      return button;
    });
    this.#actions.replaceChildren(...buttons);
    if (focus) this.focus();
  }

  /** Puts the keyboard on the first of its buttons, if there is one to be seen. */
  focus() {
    if (!this.#root.hidden) this.#actions.querySelector("button")?.focus();
  }

  hide() {
    this.#root.hidden = true;
  }

  get kind() {
    return this.#root.hidden ? null : this.#root.dataset.kind;
  }
}
