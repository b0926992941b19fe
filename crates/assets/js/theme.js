/**
 * The first script of a page, loaded without `defer`: puts the chosen theme on the root
 * before anything is painted, so that nobody sees a flash of the other one. Nothing else
 * belongs here. Without a choice the style follows the system.
 */
(() => {
  try {
    const theme = localStorage.getItem("parlour:theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; the system's theme is right then.
  }
})();
