// Runs only where ES modules do not: plain old JavaScript on purpose.
document.getElementById("unsupported").hidden = false;
document.getElementById("unsupported-reason").textContent =
  "This browser does not know ES modules. Any Chrome, Edge, Firefox or Safari from 2020 on does.";
