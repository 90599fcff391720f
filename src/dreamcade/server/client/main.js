// Puts the page together: which worlds there are, gallery or play, and the address that remembers it.

import { missingCapabilities } from "./capabilities.js";
import { Gallery } from "./gallery.js";
import { Player } from "./player.js";
import { wordsOf } from "./words.js";

window.dreamcadeStarted = true; // what old-browser.js looks for
const POLL_WAKING_MS = 400;
const POLL_GONE_MS = 1500;

const gallerySection = document.getElementById("gallery");
const playSection = document.getElementById("play");
const gallery = new Gallery(gallerySection, enter);
let player = null;
let worlds = [];
let waking = null;
let words = wordsOf({});

function enter(world, start) {
  const address = `#/${encodeURIComponent(world.name)}/${encodeURIComponent(start.name)}`;
  if (location.hash !== address) history.pushState(null, "", address);
  document.title = `${world.title} · Dreamcade`;
  gallery.turnTo(world, start);
  gallerySection.hidden = true;
  playSection.hidden = false;
  player.enter(world, start);
}

function showGallery() {
  if (location.hash) history.pushState(null, "", location.pathname);
  document.title = "Dreamcade";
  playSection.hidden = true;
  gallerySection.hidden = false;
  gallery.focus();
  listWorlds().then(() => gallery.focus()); // the server may have others by now
}

/** Follows the address: `#/world/start` plays, anything else is the gallery. */
function route() {
  const [, name, startName] = location.hash.split("/").map(readable);
  const world = worlds.find((w) => w.name === name);
  const start = world?.starts.find((s) => s.name === startName) ?? world?.starts[0];
  if (player.world) player.leave();
  if (start) enter(world, start);
}

async function fetchListing() {
  const answer = await fetch("/api/worlds");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

function listWorlds() {
  waking ??= wakeUp().finally(() => { waking = null; });
  return waking;
}

async function wakeUp() {
  for (;;) {
    try {
      const listing = await fetchListing();
      words = wordsOf(listing);
      if (listing.worlds.length && (listing.state !== "waking" || !addressed() || wanted(listing.worlds))) {
        const shown = JSON.stringify(worlds) === JSON.stringify(listing.worlds);
        worlds = listing.worlds;
        if (!shown) gallery.showWorlds(worlds, listing.message); // else the chosen start stays chosen
        if (listing.state === "waking") setTimeout(listWorlds, POLL_WAKING_MS); // the others come one by one
        return;
      }
      if (listing.state === "failed") {
        worlds = [];
        gallery.showState(words, words.none, listing.message, true);
        return;
      }
      worlds = [];
      gallery.showState(words, words.waking, words.loading);
      await pause(POLL_WAKING_MS);
    } catch {
      worlds = [];
      gallery.showState(
        words, "The server is away", `Start it again with “${words.command}”. This page comes back by itself.`, true,
      );
      await pause(POLL_GONE_MS);
    }
  }
}

/** The name of the world in the address, if there is one. */
function addressed() {
  return readable(location.hash.split("/")[1] ?? "");
}

/** A part of the address as text; one that was mistyped (`%zz`) names nothing. */
function readable(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

function wanted(listed) {
  return listed.some((world) => world.name === addressed());
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function main() {
  const missing = missingCapabilities();
  if (missing.length) {
    document.getElementById("unsupported").hidden = false;
    document.getElementById("unsupported-reason").textContent = `It lacks ${missing.join(", ")}.`;
    return;
  }
  player = new Player(playSection, showGallery);
  window.dreamcade = {
    player,
    get stats() { return player.stats; },
    get state() { return player.state; },
    latencies: () => ({ changes: player.latencies.records, frames: player.stats.records }), // for `bench latency`
  };
  gallerySection.hidden = false;
  await listWorlds();
  addEventListener("popstate", route);
  gallery.focus();
  route();
}

main();
