// A world's controls, as its JSON describes them; an action is a Float32Array [A]: every axis, then every button.

export class Controls {
  constructor(json) {
    this.axes = json.axes;
    this.buttons = json.buttons;
    this.all = [
      ...json.axes.map((axis) => ({ ...axis, isAxis: true })),
      ...json.buttons.map((button) => ({
        ...button, isAxis: false, low: 0, high: 1, negative_keys: [], positive_keys: button.keys,
      })),
    ];
    this.size = this.all.length;
  }

  rest() {
    return new Float32Array(this.size);
  }

  /** Several settings of the same controls → one: for each control the strongest wins. */
  merge(actions) {
    const merged = this.rest();
    for (const action of actions) {
      action.forEach((value, i) => {
        if (Math.abs(value) > Math.abs(merged[i])) merged[i] = value;
      });
    }
    return merged.map((value, i) => Math.min(this.all[i].high, Math.max(this.all[i].low, value)));
  }

  /** Whether the world itself uses a key, so that the page must not. */
  usesKey(code) {
    return this.all.some((c) => c.negative_keys.includes(code) || c.positive_keys.includes(code));
  }
}

/** A control's name for people. */
export function controlLabel(control) {
  const text = control.label || control.name;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function sameAction(a, b) {
  return a.every((value, i) => Math.abs(value - b[i]) < 0.004);
}
