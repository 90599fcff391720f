// Fingers → controls: a two-way axis is a strip to drag along, a pedal or button is a pad to hold.

import { controlLabel } from "./controls.js";

const FULL_DRAG_PX = 90;

export class Touch {
  #controls;
  #onChange;
  #root;

  /** Draws the zones of `controls` into `root`; `onChange(timeStamp)` when a finger moves one. */
  constructor(controls, root, onChange) {
    this.#controls = controls;
    this.#onChange = onChange;
    this.#root = root;
    this.action = controls.rest();
  }

  attach() {
    const sides = { left: document.createElement("div"), right: document.createElement("div") };
    for (const [side, element] of Object.entries(sides)) element.className = `touch-side ${side}`;
    this.#controls.all.forEach((control, i) => {
      if (!(control.touch in sides)) return;
      sides[control.touch].append(control.low < 0 ? this.#strip(control, i) : this.#pad(control, i));
    });
    this.#root.replaceChildren(sides.left, sides.right);
  }

  detach() {
    this.#root.replaceChildren();
    this.action = this.#controls.rest();
  }

  #strip(control, i) {
    const zone = this.#zone("touch-strip", controlLabel(control));
    zone.classList.toggle("upright", control.positive_keys.includes("ArrowUp")); // dragged as its keys lie
    const knob = document.createElement("i");
    zone.append(knob);
    const upright = zone.classList.contains("upright");
    const place = (event) => (upright ? -event.clientY : event.clientX);
    let origin = 0;
    const set = (event, value) => {
      knob.style.transform = upright ? `translateY(${-value * 100}%)` : `translateX(${value * 100}%)`;
      this.#set(i, value < 0 ? -value * control.low : value * control.high, event.timeStamp);
    };
    this.#follow(zone, {
      down: (event) => { origin = place(event); set(event, 0); },
      move: (event) => set(event, Math.max(-1, Math.min(1, (place(event) - origin) / FULL_DRAG_PX))),
      up: (event) => set(event, 0),
    });
    return zone;
  }

  #pad(control, i) {
    const zone = this.#zone("touch-pad", controlLabel(control));
    this.#follow(zone, {
      down: (event) => this.#set(i, control.high, event.timeStamp),
      move: () => {},
      up: (event) => this.#set(i, 0, event.timeStamp),
    });
    return zone;
  }

  #zone(className, label) {
    const zone = document.createElement("div");
    zone.className = className;
    zone.dataset.label = label;
    return zone;
  }

  #follow(zone, { down, move, up }) {
    zone.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      zone.setPointerCapture(event.pointerId);
      zone.classList.add("lit");
      down(event);
    });
    zone.addEventListener("pointermove", (event) => zone.hasPointerCapture(event.pointerId) && move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      zone.addEventListener(end, (event) => {
        zone.classList.remove("lit");
        up(event);
      });
    }
    zone.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  #set(i, value, timeStamp) {
    this.action[i] = value;
    this.#onChange(timeStamp);
  }
}
