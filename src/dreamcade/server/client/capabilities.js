// What this page needs from a browser, by name; empty where nothing is missing.

export function missingCapabilities() {
  const missing = [];
  if (!("WebSocket" in window)) missing.push("WebSocket (the line to the engine)");
  if (!("createImageBitmap" in window)) missing.push("createImageBitmap (decoding frames)");
  if (!document.createElement("canvas").getContext("2d")) missing.push("the 2D canvas (showing frames)");
  if (!("crypto" in window) || !crypto.getRandomValues) missing.push("crypto.getRandomValues (seeds)");
  return missing;
}
