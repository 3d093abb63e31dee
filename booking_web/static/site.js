// Small comforts; everything works without this file.
"use strict";

// A second click on the same button books nothing twice (the server sees to that), but it needn't be sent.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    form.setAttribute("aria-busy", "true");
  });
}
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
  }
});

// Services are filtered while she types.
for (const form of document.querySelectorAll("form[data-filter]")) {
  const field = form.querySelector("input[type=search]");
  const result = form.querySelector(".search-result");
  const counted = JSON.parse(result.dataset.found);
  let told;
  const fold = (text) =>
    text
      .toLowerCase()
      .replaceAll("ä", "ae")
      .replaceAll("ö", "oe")
      .replaceAll("ü", "ue")
      .replaceAll("ß", "ss")
      .replaceAll("ı", "i")
      .replaceAll("ة", "ه")
      .replaceAll("ى", "ي")
      .normalize("NFKD")
      .replace(/\p{M}+/gu, "")
      .replace(/[^\p{L}\p{N}]+/gu, " ")
      .trim();
  const filter = () => {
    const words = fold(field.value).split(" ").filter((word) => word.length > 1);
    const rows = [...form.querySelectorAll(".service")];
    const found = rows.filter((row) => words.some((word) => row.dataset.words.includes(word)));
    const all = words.length === 0 || found.length === 0;
    for (const row of rows) {
      row.hidden = !(all || found.includes(row) || row.querySelector("input").checked);
    }
    const text = words.length === 0 ? "" : found.length === 0 ? result.dataset.none : counted[found.length - 1];
    // Screen readers say it once she pauses, and not at each letter.
    clearTimeout(told);
    told = setTimeout(() => {
      if (result.textContent.trim() !== text) {
        result.textContent = text;
      }
    }, 400);
  };
  field.addEventListener("input", filter);
}

// A small riddle that this browser solves while she reads, so that robots can't book by the thousand. Without it she confirms by mail.
for (const form of "Worker" in window ? document.querySelectorAll("form[data-proof]") : []) {
  const note = form.querySelector(".proof-note");
  const challenge = JSON.parse(form.dataset.proof);
  const worker = new Worker(form.dataset.proofWorker);
  let pending = true;
  let waiting = null;
  const go = () => {
    pending = false;
    worker.terminate();
    if (waiting !== null) {
      delete form.dataset.sent;
      form.requestSubmit(waiting.button);
    }
  };
  worker.addEventListener("message", (event) => {
    if (Number.isInteger(event.data)) {
      const { algorithm, challenge: digest, salt, signature } = challenge;
      const solved = { algorithm, challenge: digest, number: event.data, salt, signature };
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = "altcha";
      field.value = btoa(JSON.stringify(solved));
      form.append(field);
    }
    go();
  });
  worker.addEventListener("error", go);
  form.addEventListener("submit", (event) => {
    if (pending) {
      event.preventDefault();
      waiting = { button: event.submitter };
      note.hidden = false;
    }
  });
  worker.postMessage(challenge);
}
