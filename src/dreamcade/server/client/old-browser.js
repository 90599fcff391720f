// Plain old JavaScript on purpose. It runs after main.js, or where that could not even be read.
if (!window.dreamcadeStarted) {
  document.getElementById("unsupported").hidden = false;
  document.getElementById("unsupported-reason").textContent =
    "It is too old to read it. Chrome and Edge from version 105 on, Firefox from 110 and Safari from 16 can.";
}
