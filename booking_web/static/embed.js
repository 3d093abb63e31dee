// For the town's own website: an iframe on the booking site that is as high as its content.
//
//   <iframe src="https://termin.example/embed" title="Termin buchen" width="100%" height="600"></iframe>
//   <script src="https://termin.example/embed.js" defer></script>
"use strict";
window.addEventListener("message", (event) => {
  const { termin, height } = event.data ?? {};
  if (termin !== "height" || !Number.isFinite(height)) {
    return;
  }
  for (const frame of document.querySelectorAll("iframe")) {
    // Only the frame that spoke, and only to its own height.
    if (frame.contentWindow === event.source) {
      frame.style.height = `${Math.min(Math.max(height, 100), 5000)}px`;
    }
  }
});
