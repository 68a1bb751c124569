/* Before the first paint: the theme that was chosen last, else what the system asks for. */
"use strict";
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch { /* pages from disk may have no storage */ }
  const dark = matchMedia("(prefers-color-scheme: dark)");
  document.documentElement.dataset.theme = chosen || (dark.matches ? "dark" : "light");
  document.documentElement.classList.add("js");
  dark.addEventListener("change", () => { if (!chosen) document.documentElement.dataset.theme = dark.matches ? "dark" : "light"; });
})();
