// One play: a world, a start, a connection, and every way to control it. All of it ends with leave().

import { Connection } from "./connection.js";
import { Controls, sameAction } from "./controls.js";
import { FullScreen } from "./fullscreen.js";
import { Gamepads } from "./gamepad.js";
import { Hud } from "./hud.js";
import { Keyboard } from "./keyboard.js";
import { KeyHints } from "./keyhints.js";
import { Latencies } from "./latency.js";
import { Screen } from "./screen.js";
import { Stats } from "./stats.js";
import { Switches } from "./switches.js";
import { Touch } from "./touch.js";
import { Veil } from "./veil.js";
import { isRealGame, wordsOf } from "./words.js";

const HEARTBEAT_MS = 500;
const NOTICE_MS = 4000;

export class Player {
  #root;
  #onLeave;
  #screen;
  #veil;
  #hud;
  #switches;
  #fullScreen;
  #connection = null;
  #heartbeat = 0;
  #noticeTimer = 0;
  #shownNothingYet = true;
  stats = new Stats();
  latencies = new Latencies();
  paused = false;
  world = null;
  modes = null; // as the engine told them last; null until it has answered
  #words = null;

  /** `onLeave()` when the player goes back to the gallery. */
  constructor(root, onLeave) {
    this.#root = root;
    this.#onLeave = onLeave;
    this.#screen = new Screen(
      this.#part("screen"), this.#part("glow"),
      (frame, now) => this.#shown(frame, now), (frame, now) => this.latencies.painted(frame, now),
    );
    this.#veil = new Veil(this.#part("veil"));
    this.#hud = new Hud(this.#part("hud"), this.stats, this.latencies);
    this.#switches = new Switches(this.#part("switches"), (modes) => {
      this.setModes(modes);
      this.#part("screen").focus(); // as below
    });
    this.#fullScreen = new FullScreen(root);
    this.#part("pause").addEventListener("click", () => this.togglePause());
    this.#part("restart").addEventListener("click", () => this.restart());
    this.#part("full").addEventListener("click", () => this.toggleFullScreen());
    this.#part("leave").addEventListener("click", () => this.leave());
    this.#part("details").addEventListener("click", () => {
      this.#hud.toggleDetails();
      this.#part("screen").focus(); // a button with the focus would take Space and Enter from the game
    });
    document.addEventListener("visibilitychange", () => (document.hidden ? this.pause() : this.#veil.focus()));
  }

  get state() {
    return this.world ? (this.#veil.kind ?? "playing") : "away";
  }

  /** The controls as they are now, by name. */
  get action() {
    return Object.fromEntries(this.controls.all.map((control, i) => [control.name, this.current[i]]));
  }

  enter(world, start) {
    this.world = world;
    this.#words = wordsOf(world);
    this.#part("screen").setAttribute("aria-label", this.#words.screen);
    this.#setPaused(document.hidden); // opened in the background: nothing is played unseen
    this.#forget();
    this.#switches.hide();
    this.#screen.open(world.frame_size);
    this.#root.style.setProperty("--aspect", `${world.frame_size[0]} / ${world.frame_size[1]}`);
    this.#root.style.setProperty("--ratio", world.frame_size[0] / world.frame_size[1]);
    this.#part("world-title").textContent = world.title;
    this.#part("start-title").textContent = start.title;
    this.#connection = new Connection(world.name, start.name, this.#listeners());
    this.#attachControls(new Controls(world.controls)); // a stick that is held already is sent at once
    this.#hud.start(world.tick_rate, this.#words.making);
    this.#connection.open();
    this.#heartbeat = setInterval(() => this.#repeat(), HEARTBEAT_MS);
    this.#part("screen").focus();
  }

  leave() {
    if (!this.world) return;
    this.world = null;
    clearInterval(this.#heartbeat);
    this.#connection.close();
    this.keyboard.detach();
    this.gamepads.detach();
    this.touch.detach();
    this.#hud.stop();
    this.#veil.hide();
    this.#fullScreen.leave();
    this.#onLeave();
  }

  pause() {
    if (!this.world || this.paused) return;
    this.#setPaused(true);
    this.latencies.interrupt();
    this.#connection.pause();
    if (this.#connection.ready) this.#showPaused();
  }

  resume() {
    if (!this.paused) return;
    this.#setPaused(false);
    this.#connection.resume();
    this.#repeat();
    if (this.#veil.kind === "paused") this.#veil.hide();
    this.#part("screen").focus();
  }

  togglePause() {
    if (this.paused) this.resume();
    else this.pause();
  }

  /** Asks the engine for modes, {name: true or false}; it answers with those that are really on. */
  setModes(modes) {
    this.modes = null;
    this.#connection.setModes(modes);
  }

  restart() {
    this.resume();
    this.#connection.reset();
    this.#part("screen").focus();
  }

  async toggleFullScreen() {
    if (!(await this.#fullScreen.toggle())) this.#notice("This browser does not allow full screen here.");
    this.#part("screen").focus();
  }

  #setPaused(paused) {
    this.paused = paused;
    this.#part("pause").setAttribute("aria-pressed", String(paused));
  }

  #part(name) {
    return this.#root.querySelector(`#${name}`);
  }

  #attachControls(controls) {
    this.controls = controls;
    this.current = controls.rest();
    this.keyboard = new Keyboard(controls, (at) => this.#changed(at), (code) => this.#shortcut(code));
    this.gamepads = new Gamepads(controls, (at) => this.#changed(at));
    this.touch = new Touch(controls, this.#part("touch"), (at) => this.#changed(at));
    this.hints = new KeyHints(controls, this.#part("hints"));
    this.keyboard.attach();
    this.touch.attach();
    this.gamepads.attach();
  }

  #changed(at) {
    const next = this.controls.merge([this.keyboard.action, this.gamepads.action, this.touch.action]);
    if (sameAction(next, this.current)) return;
    this.current = next;
    this.#send(at, true); // before anything is drawn
    this.hints.show(this.keyboard.held, next);
  }

  // Now and then although nothing changed: what the engine has is what is held, even if a message was refused.
  #repeat() {
    this.#send(performance.now(), false);
  }

  #send(at, changed) {
    if (!this.paused) this.latencies.sent(this.#connection.input(this.current, at), at, changed);
  }

  #shortcut(code) {
    const actions = {
      KeyP: () => this.togglePause(), KeyR: () => this.restart(), KeyF: () => this.toggleFullScreen(),
      KeyI: () => this.#hud.toggleDetails(), Escape: () => this.leave(),
    };
    if (!(code in actions)) return false;
    actions[code]();
    return true;
  }

  #listeners() {
    const words = this.#words;
    const back = [words.back, () => this.leave()];
    const again = (label) => [label, () => this.#connection.open()];
    return {
      onConnecting: (attempt) => {
        if (attempt === 0) this.#veil.show("waking", words.waking, "");
      },
      onWaking: () => this.#veil.show("waking", words.waking, words.loading, [back]),
      onReady: () => this.#ready(),
      onModes: (modes) => {
        this.modes = modes;
        if (!isRealGame(this.world)) this.#switches.show(modes);
      },
      onFrame: (frame) => {
        this.#screen.show(frame); // its decoding starts before anything else
        this.latencies.arrived(frame);
      },
      onNotice: (message, quiet) => this.#notice(message, quiet),
      onLost: (waitMs, attempt) => this.#veil.show(
        "lost", "The server went away",
        `${words.lost} Trying again (${attempt}) …`,
        [again("Try now"), back],
      ),
      onRefused: (code, message, retryMs) => this.#veil.show(
        "refused", code === "full" ? "Every place is taken" : code === "engine" ? words.broken : words.refused,
        retryMs === null ? message : `${message}. Trying again …`, [again("Try again"), back], { focus: true },
      ),
    };
  }

  #forget() {
    this.stats.reset();
    this.latencies.reset();
    this.#shownNothingYet = true;
  }

  #ready() {
    this.#forget();
    if (this.paused) {
      this.#connection.pause();
      this.#showPaused();
      return;
    }
    this.#repeat();
  }

  #shown(frame, now) {
    this.stats.overtaken = this.#screen.overtaken;
    this.stats.count(frame, now);
    if (!this.#shownNothingYet) return;
    this.#shownNothingYet = false;
    if (!this.paused) this.#veil.hide();
  }

  #showPaused() {
    this.#veil.show("paused", "Paused", this.#words.paused,
      [["Go on", () => this.resume()], [this.#words.back, () => this.leave()]], { focus: !document.hidden });
  }

  /** A line at the foot of the screen for some seconds, or none any more; `quiet` is news, no fault. */
  #notice(message, quiet = false) {
    const notice = this.#part("notice");
    notice.textContent = message;
    notice.classList.toggle("quiet", quiet);
    notice.hidden = message === "";
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(() => { notice.hidden = true; }, NOTICE_MS);
  }
}
