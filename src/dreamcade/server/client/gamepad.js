// The first gamepad with the standard mapping → controls. `gamepad` bindings read `axis:0`, `-axis:1` or `button:7`.

const DEAD_ZONE = 0.12;

export class Gamepads {
  #controls;
  #onChange;
  #frame = 0;
  #listening = null;

  /** `onChange(timeStamp)` after every reading: once per displayed frame, and only while there is a pad. */
  constructor(controls, onChange) {
    this.#controls = controls;
    this.#onChange = onChange;
    this.action = controls.rest();
  }

  attach() {
    this.#listening = new AbortController();
    addEventListener("gamepadconnected", () => this.#poll(), { signal: this.#listening.signal });
    this.#poll();
  }

  detach() {
    this.#listening?.abort();
    cancelAnimationFrame(this.#frame);
    this.action = this.#controls.rest();
  }

  #poll() {
    cancelAnimationFrame(this.#frame);
    const pads = [...(navigator.getGamepads?.() ?? [])].filter((pad) => pad?.connected);
    const pad = pads.find((p) => p.mapping === "standard");
    this.action = this.#controls.rest().map((_, i) => (pad ? readBinding(pad, this.#controls.all[i]) : 0));
    this.#onChange(performance.now());
    if (pads.length) this.#frame = requestAnimationFrame(() => this.#poll());
  }
}

function readBinding(pad, control) {
  const [kind, index] = control.gamepad.split(":");
  if (kind.endsWith("axis")) {
    const raw = (pad.axes[Number(index)] ?? 0) * (kind.startsWith("-") ? -1 : 1);
    const strength = Math.max(0, (Math.abs(raw) - DEAD_ZONE) / (1 - DEAD_ZONE));
    return raw < 0 ? strength * control.low : strength * control.high;
  }
  if (kind === "button") {
    const button = pad.buttons[Number(index)];
    const pressed = button ? Math.max(button.value, button.pressed ? 1 : 0) : 0;
    return control.isAxis ? pressed * control.high : Math.round(pressed);
  }
  return 0;
}
