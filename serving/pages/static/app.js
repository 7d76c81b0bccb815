// Two comforts; everything works without them: short addresses, and a sign that a page is loading.
"use strict";

document.addEventListener("submit", (event) => {
  for (const field of event.target.elements) {
    if (field.name && field.value === "") field.disabled = true;
  }
});

const leaving = () => document.documentElement.classList.add("loading");
const arrived = () => {
  document.documentElement.classList.remove("loading");
  for (const field of document.querySelectorAll("form :disabled")) field.disabled = false;
};

window.addEventListener("beforeunload", leaving);
window.addEventListener("pageshow", arrived);
