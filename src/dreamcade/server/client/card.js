// A world's card under its starts: the real game beside the dream, what must hold, what it does well and badly.

const LISTS = ["does well", "does badly"];
const HELD = "what must hold";

/** The elements of a world's card; none where it has nothing to tell. */
export function worldCard(world) {
  const card = world.card ?? {};
  const parts = [];
  if (world.clip) parts.push(clip(world));
  for (const name of LISTS) {
    if (Array.isArray(card[name]) && card[name].length) parts.push(sentences(name, card[name]));
  }
  if (Array.isArray(card[HELD]) && card[HELD].length) parts.push(held(card[HELD]));
  return parts.length ? [element("h2", "How near it comes to the game", "strip-title"), ...parts] : [];
}

function clip(world) {
  const figure = element("figure");
  const picture = element("img");
  picture.src = world.clip;
  picture.loading = "lazy";
  picture.alt = `${world.title}: the real game on the left, the dream on the right`;
  figure.append(picture, element("figcaption", "Left the real game, right the dream, from one moment under the same keys."));
  return figure;
}

function sentences(name, lines) {
  const part = element("div", "", name.replaceAll(" ", "-"));
  const list = element("ul");
  list.append(...lines.map((line) => element("li", line)));
  part.append(element("h3", `It ${name}`), list);
  return part;
}

function held(lines) {
  const table = element("table");
  const head = element("tr");
  head.append(...["Measured on play it has never seen", "", "aim", ""].map((text) => element("th", text)));
  table.append(head, ...lines.map((line) => {
    const row = element("tr");
    const mark = line.holds === null ? ["–", "open"] : line.holds ? ["✓", "holds"] : ["✗", "fails"];
    const last = element("td", mark[0], mark[1]);
    last.setAttribute("aria-label", mark[1]);
    row.append(element("td", line.title), element("td", line.value), element("td", line.target), last);
    return row;
  }));
  return table;
}

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}
