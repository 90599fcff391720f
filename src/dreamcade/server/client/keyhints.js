// Which keys do what, drawn as keys that light up while they are held.

import { controlLabel } from "./controls.js";
import { keyLabel } from "./keyboard.js";

export class KeyHints {
  #caps = new Map();
  #meters = [];
  #controls;

  constructor(controls, root) {
    this.#controls = controls;
    root.replaceChildren(...controls.all.map((control) => this.#hint(control)));
  }

  /** Lights the keys in `held`, and fills every control's meter to `action`. */
  show(held, action) {
    for (const [code, cap] of this.#caps) cap.classList.toggle("lit", held.includes(code));
    this.#controls.all.forEach((control, i) => {
      const share = action[i] < 0 ? -action[i] / control.low : action[i] / control.high;
      const side = control.low < 0 ? 50 : 100;
      const left = control.low < 0 ? 50 + Math.min(0, share) * 50 : 0;
      this.#meters[i].style.left = `${left}%`;
      this.#meters[i].style.width = `${Math.abs(share) * side}%`;
    });
  }

  #hint(control) {
    const item = document.createElement("li");
    const negative = this.#keys(control.negative_keys);
    const positive = this.#keys(control.positive_keys);
    const middle = document.createElement("span");
    middle.className = "hint-name";
    middle.textContent = controlLabel(control);
    const meter = document.createElement("i");
    middle.append(meter);
    this.#meters.push(meter);
    item.append(...(control.low < 0 ? [negative, middle, positive] : [positive, middle]));
    item.classList.toggle("two-way", control.low < 0);
    return item;
  }

  #keys(codes) {
    const group = document.createElement("span");
    group.className = "hint-keys";
    for (const code of codes) {
      const cap = document.createElement("kbd");
      cap.textContent = keyLabel(code);
      group.append(cap);
      this.#caps.set(code, cap);
    }
    return group;
  }
}
