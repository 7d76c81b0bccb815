// Comforts only, everything works without: short addresses, folded filters, a sign of loading.
"use strict";

document.addEventListener("submit", (event) => {
  for (const field of event.target.elements) {
    if (field.name && field.value === "") field.disabled = true;
  }
});

// On a narrow screen the list comes first, unless something is filtered already.
const filters = document.querySelector(".filterbox");
if (filters && !document.querySelector(".chips") && matchMedia("(max-width: 640px)").matches) {
  filters.open = false;
}

const leaving = () => document.documentElement.classList.add("loading");
const arrived = () => {
  document.documentElement.classList.remove("loading");
  for (const field of document.querySelectorAll("form :disabled")) field.disabled = false;
};

window.addEventListener("beforeunload", leaving);
window.addEventListener("pageshow", arrived);
