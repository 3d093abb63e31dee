// Runs within the iframe: tells the page around it how high it is. Nothing else is told.
"use strict";
// The body, not the document: that is never lower than the frame, which could then grow but not shrink.
const tell = () => {
  const height = Math.ceil(document.body.getBoundingClientRect().height);
  window.parent.postMessage({ termin: "height", height }, "*");
};
new ResizeObserver(tell).observe(document.body);
tell();
