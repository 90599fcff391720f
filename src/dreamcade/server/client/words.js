// What the page says of a dream, and of the real game in its place.

const DREAM = {
  tagline: "Every frame is dreamed by a neural network, on this machine, while you play it.",
  begin: "Choose where the dream begins",
  screen: "The dreamed game",
  making: ["dream", "The engine dreamed the next frame, and that frame waited for its decoder."],
  waking: "Waking the dream",
  loading: "The world is loading. This takes a few seconds.",
  lost: "Your dream is over, a fresh one starts when the server is back.",
  broken: "This dream broke off",
  refused: "This dream cannot start",
  paused: "Nothing is dreamed while you are away.",
  none: "No world can be played",
  back: "All worlds",
  command: "dreamcade play",
};

const GAME = {
  tagline: "This is the game itself. A world can be trained on what you play here.",
  begin: "Begin",
  screen: "The real game",
  making: ["game", "The game played a tick and drew it."],
  waking: "Starting the game",
  loading: "The game is being set up. This takes a few seconds.",
  lost: "Your play is over, a new one starts when the server is back.",
  broken: "The game broke off",
  refused: "The game cannot start",
  paused: "The game waits, and nothing is recorded while you are away.",
  none: "The game cannot be played",
  back: "Back",
  command: "dreamcade record",
};

export function isRealGame(world) {
  return world.sampling_steps === 0;
}

/** For a world of the list, or for the list (`real_game`) before it has any. */
export function wordsOf(world) {
  const real = world.sampling_steps === undefined ? world.real_game : isRealGame(world);
  return real ? GAME : DREAM;
}
