// Keys → controls. Of two opposite keys that are held, the one pressed last wins.

export class Keyboard {
  #controls;
  #onChange;
  #onShortcut;
  #held = [];
  #listening = null;

  /** `onChange(timeStamp)` when a bound key changes; `onShortcut(code)` for a key that the world does not use. */
  constructor(controls, onChange, onShortcut) {
    this.#controls = controls;
    this.#onChange = onChange;
    this.#onShortcut = onShortcut;
    this.action = controls.rest();
  }

  get held() {
    return this.#held;
  }

  attach() {
    this.#listening = new AbortController();
    const options = { signal: this.#listening.signal };
    addEventListener("keydown", (event) => this.#down(event), options);
    addEventListener("keyup", (event) => this.#up(event), options);
    addEventListener("blur", (event) => this.release(event.timeStamp), options);
  }

  detach() {
    this.#listening?.abort();
    this.#held = [];
    this.action = this.#controls.rest();
  }

  /** Lets go of everything: a page that lost the focus never hears the keys come up. */
  release(timeStamp) {
    if (this.#held.length === 0) return;
    this.#held = [];
    this.#update(timeStamp);
  }

  #down(event) {
    if (event.metaKey || (event.ctrlKey && !this.#uses("Control")) || (event.altKey && !this.#uses("Alt"))) return;
    if (event.target instanceof HTMLButtonElement && ["Space", "Enter"].includes(event.code)) return; // presses it
    if (!this.#controls.usesKey(event.code)) {
      if (!event.repeat && this.#onShortcut(event.code)) event.preventDefault();
      return;
    }
    event.preventDefault();
    if (this.#held.includes(event.code)) return; // a repeat of a key that is not held was pressed unheard
    this.#held.push(event.code);
    this.#update(event.timeStamp);
  }

  #uses(modifier) {
    return this.#controls.usesKey(`${modifier}Left`) || this.#controls.usesKey(`${modifier}Right`);
  }

  #up(event) {
    const at = this.#held.indexOf(event.code);
    if (at < 0) return;
    this.#held.splice(at, 1);
    this.#update(event.timeStamp);
  }

  #update(timeStamp) {
    this.action = this.#controls.rest().map((_, i) => this.#value(this.#controls.all[i]));
    this.#onChange(timeStamp);
  }

  #value(control) {
    for (let i = this.#held.length - 1; i >= 0; i -= 1) {
      if (control.positive_keys.includes(this.#held[i])) return control.high;
      if (control.negative_keys.includes(this.#held[i])) return control.low;
    }
    return 0;
  }
}

const NAMES = {
  ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", ControlLeft: "Ctrl",
  ControlRight: "Ctrl", ShiftLeft: "Shift", ShiftRight: "Shift", AltLeft: "Alt", AltRight: "Alt",
};

/** What is printed on a key: `KeyboardEvent.code` → a short label. */
export function keyLabel(code) {
  return NAMES[code] ?? code.replace(/^(Key|Digit|Numpad)/, "");
}
