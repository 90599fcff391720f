// The front of the house: worlds, their starts, and what is known about them.

import { worldCard } from "./card.js";
import { wordsOf } from "./words.js";

const CARD_FIGURES = 6;

export class Gallery {
  #root;
  #onPlay;
  #worlds = [];
  #chosen = 0;

  /** `onPlay(world, start)` when somebody picks a start. */
  constructor(root, onPlay) {
    this.#root = root;
    this.#onPlay = onPlay;
    this.#part("strip").addEventListener("keydown", (event) => this.#walk(event));
  }

  /** Worlds are still loading, or none can be; `words` are the page's for what it lists. */
  showState(words, title, text, failed = false) {
    this.#part("tagline").textContent = words.tagline;
    this.#part("sleep").hidden = false;
    this.#part("sleep").classList.toggle("failed", failed);
    this.#part("sleep-title").textContent = title;
    this.#part("sleep-text").textContent = text;
    this.#part("shelf").hidden = true;
  }

  showWorlds(worlds, note = "") {
    this.#worlds = worlds;
    this.#part("sleep").hidden = true;
    this.#part("shelf").hidden = false;
    this.#part("note").textContent = note;
    this.#part("tabs").hidden = worlds.length < 2;
    this.#part("tabs").replaceChildren(...worlds.map((world, i) => this.#tab(world, i)));
    const at = [...this.#part("strip").children].indexOf(document.activeElement);
    this.choose(Math.min(this.#chosen, worlds.length - 1));
    if (at >= 0) this.#part("strip").children[at]?.focus({ preventScroll: true }); // another world has come meanwhile
  }

  choose(index) {
    this.#chosen = index;
    const world = this.#worlds[index];
    [...this.#part("tabs").children].forEach((tab, i) => tab.setAttribute("aria-pressed", String(i === index)));
    const words = wordsOf(world);
    this.#part("tagline").textContent = words.tagline;
    this.#part("strip-title").textContent = words.begin;
    this.#part("title").textContent = world.title;
    this.#part("description").textContent = world.description;
    this.#part("figures").replaceChildren(...figures(world).map(([name, value]) => figure(name, value)));
    this.#part("strip").replaceChildren(...world.starts.map((start, i) => this.#card(world, start, i)));
    const card = worldCard(world);
    this.#part("card").replaceChildren(...card);
    this.#part("card").hidden = card.length === 0;
    this.#part("play").onclick = () => this.#onPlay(world, this.#start ?? world.starts[0]);
    this.#preview(world.starts[0]);
  }

  /** Turns to a start that is played, so that whoever leaves it finds it here. By name: a newer list may have come. */
  turnTo(world, start) {
    const at = this.#worlds.findIndex(({ name }) => name === world.name);
    const known = this.#worlds[at]?.starts.find(({ name }) => name === start.name);
    if (!known) return;
    this.choose(at);
    this.#preview(known);
  }

  /** Puts the keyboard on the start that will be played. */
  focus() {
    const at = this.#worlds[this.#chosen]?.starts.indexOf(this.#start) ?? -1;
    this.#part("strip").children[Math.max(0, at)]?.focus({ preventScroll: true });
  }

  #start = null;

  #part(name) {
    return this.#root.querySelector(`[data-gallery="${name}"]`);
  }

  #tab(world, i) {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.textContent = world.title;
    tab.addEventListener("click", () => this.choose(i));
    return tab;
  }

  #card(world, start, i) {
    const card = document.createElement("button");
    card.type = "button";
    card.className = "start";
    card.tabIndex = i === 0 ? 0 : -1;
    card.setAttribute("aria-label", `Play ${world.title}: ${start.title}`);
    const picture = document.createElement("img");
    picture.src = start.thumbnail;
    picture.alt = "";
    picture.decoding = "async";
    const caption = document.createElement("span");
    caption.textContent = start.title;
    card.append(picture, caption);
    card.addEventListener("pointerenter", () => this.#preview(start));
    card.addEventListener("focus", () => this.#preview(start));
    card.addEventListener("click", () => this.#onPlay(world, start));
    return card;
  }

  #preview(start) {
    this.#start = start;
    this.#part("preview").src = start.thumbnail;
    this.#part("preview-title").textContent = start.title;
    const starts = this.#worlds[this.#chosen].starts;
    [...this.#part("strip").children].forEach((card, i) => {
      card.classList.toggle("chosen", starts[i] === start);
      card.tabIndex = starts[i] === start ? 0 : -1;
    });
  }

  // Arrow keys move between starts, as in any arcade; Tab leaves the strip in one step.
  #walk(event) {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    const cards = [...this.#part("strip").children];
    const at = cards.indexOf(document.activeElement);
    if (at < 0) return;
    let next = at + (steps[event.key] ?? 0);
    if (event.key === "Home") next = 0;
    if (event.key === "End") next = cards.length - 1;
    if (next === at) return;
    event.preventDefault();
    cards[(next + cards.length) % cards.length].focus();
  }
}

function figures(world) {
  const known = [
    ["picture", world.frame_size.join(" × ")],
    ["ticks a second", String(world.tick_rate)],
    ...(world.sampling_steps ? [["denoising steps", String(world.sampling_steps)]] : []), // a real game has none
    ...(world.path ? [["runs on", world.path]] : []),
  ];
  // A card nests its metrics one level deep, how good the world is first; whole sentences belong on the card's own
  // page, not here.
  const { evaluation, ...rest } = world.card ?? {};
  const card = Object.entries({ evaluation, ...rest })
    .flatMap(([name, value]) => (isGroup(value) ? Object.entries(value) : [[name, value]]))
    .filter(([, value]) => ["number", "string"].includes(typeof value) && String(value).length <= 24)
    .map(([name, value]) => [name.replaceAll("_", " "), typeof value === "number" ? readable(value) : value]);
  return [...known, ...card.slice(0, CARD_FIGURES)];
}

function isGroup(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readable(value) {
  return Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(3)));
}

function figure(name, value) {
  const item = document.createElement("div");
  const term = document.createElement("dt");
  const detail = document.createElement("dd");
  term.textContent = name;
  detail.textContent = value;
  item.append(term, detail);
  return item;
}
