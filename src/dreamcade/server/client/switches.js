// The engine's modes as switches; what a world lacks for one stands below them, with the command that makes it.

const MODES = [
  ["speculation", "Speculation", "Frames are drafted for the likeliest keys before a key is known."],
  ["extrapolation", "Extrapolation", "Where the picture moves smoothly, its motion goes on without the network."],
  ["in_between", "In-between", "Between two ticks one more frame is shown, for the eye alone."],
  ["pipeline", "Pipeline", "A frame is drawn while the next one is dreamed: more frames, each on half the cores."],
];
const COMMAND = /\bdreamcade \S.*$/;

export class Switches {
  #root;
  #notes;
  #buttons = {};

  /** Fills `root`; `onSwitch(modes)` with the one that somebody switches: {name: true or false}. */
  constructor(root, onSwitch) {
    this.#root = root;
    this.#notes = document.createElement("ul");
    this.#notes.className = "notes";
    root.append(...MODES.map((mode) => this.#add(mode, onSwitch)), this.#notes);
    this.hide();
  }

  /** What is behind the page has nothing to switch, or has not said so yet. */
  hide() {
    this.#root.hidden = true;
  }

  /** Shows what is really on: a mode that the world lacks stays off, whatever was asked for. */
  show(modes) {
    this.#root.hidden = false;
    for (const [name] of MODES) this.#buttons[name].setAttribute("aria-checked", String(modes[name]));
    this.#notes.replaceChildren(...modes.notes.split("\n").filter(Boolean).map(note));
  }

  #add([name, label, meaning], onSwitch) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "switch";
    button.title = meaning;
    button.dataset.mode = name;
    button.setAttribute("role", "switch");
    button.setAttribute("aria-checked", "false");
    button.append(document.createElement("i"), label);
    button.addEventListener("click", () => onSwitch({ [name]: button.getAttribute("aria-checked") !== "true" }));
    this.#buttons[name] = button;
    return button;
  }
}

function note(sentence) {
  const item = document.createElement("li");
  const command = sentence.match(COMMAND)?.[0] ?? "";
  item.append(sentence.slice(0, sentence.length - command.length));
  if (command) {
    const code = document.createElement("code");
    code.textContent = command;
    item.append(code);
  }
  return item;
}
